"""Small files that claim to be large, that expand to much, or that carry code."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

_MEGABYTE = 1 << 20
BOMB_MEGABYTES = 2000
"""What a bomb expands to: more than the memory that is allowed."""

_MILLION, _LARGE, _SMALL = (1_000_000,) * 3, (2048,) * 3, (32, 32, 4)


def _nrrd(size: tuple[int, ...], encoding: str, data: bytes = b"", more: str = "") -> bytes:
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, size))}\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
        f"kinds: domain domain domain\nendian: little\nencoding: {encoding}\nspace origin: (0,0,0)\n{more}\n"
    )
    return header.encode() + data


def _meta(size: tuple[int, ...], data: bytes = b"", more: str = "") -> bytes:
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n{more}"
        f"ElementSpacing = 1 1 1\nDimSize = {' '.join(map(str, size))}\nElementType = MET_SHORT\n"
        "ElementDataFile = LOCAL\n"
    )
    return header.encode() + data


def _nifti(size: tuple[int, ...], data: bytes = b"") -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *size, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return bytes(header) + data


def _nifti2(size: tuple[int, ...]) -> bytes:
    header = bytearray(544)
    struct.pack_into("<i", header, 0, 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into("<2h", header, 12, 4, 16)
    struct.pack_into("<8q", header, 16, 3, *size, 1, 1, 1, 1)
    struct.pack_into("<8d", header, 104, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<q", header, 168, 544)
    return bytes(header)


ABSURD_IMAGES: dict[str, bytes] = {
    "absurd.nrrd raw, a million cubed": _nrrd(_MILLION, "raw"),
    "absurd.nrrd raw, 2048 cubed": _nrrd(_LARGE, "raw"),
    "absurd.nrrd text, 2048 cubed": _nrrd(_LARGE, "text", b"1 2 3"),
    "absurd.nrrd hex, 2048 cubed": _nrrd(_LARGE, "hex", b"0a0b"),
    "absurd.nrrd gzip, a million cubed": _nrrd(_MILLION, "gzip", zlib.compress(bytes(100), wbits=31)),
    "absurd.nrrd gzip, 2048 cubed": _nrrd(_LARGE, "gzip", zlib.compress(bytes(100), wbits=31)),
    "absurd.nrrd no size": _nrrd((0, 0, 0), "raw"),
    "absurd.nrrd negative size": _nrrd((-5, 10, 10), "raw", bytes(100)),
    "absurd.nrrd skips far": _nrrd(_SMALL, "raw", bytes(8192), "byte skip: 999999999999\n"),
    "absurd.nrrd skips many lines": _nrrd(_SMALL, "raw", bytes(8192), "line skip: 2000000000\n"),
    "absurd.nhdr data in /dev/zero": _nrrd(_LARGE, "raw", b"", "data file: /dev/zero\n"),
    "absurd.nhdr data in a million files": _nrrd(_SMALL, "raw", b"", "data file: a%d.raw 1 1000000 1 2\n"),
    "absurd.mha a million cubed": _meta(_MILLION),
    "absurd.mha 2048 cubed": _meta(_LARGE),
    "absurd.mha compressed, 2048 cubed": _meta(_LARGE, zlib.compress(bytes(100)), "CompressedData = True\n"),
    "absurd.mha huge compressed size": _meta(
        _SMALL, zlib.compress(bytes(100)), "CompressedData = True\nCompressedDataSize = 99999999999\n"
    ),
    "absurd.mha a million dimensions": _meta(_SMALL).replace(b"NDims = 3", b"NDims = 1000000"),
    "absurd.nii 32767 cubed": _nifti((32767,) * 3),
    "absurd.nii 2048 cubed": _nifti(_LARGE),
    "absurd.nii negative size": _nifti((-1, 32, 4), bytes(8192)),
    "absurd.nii a million cubed": _nifti2(_MILLION),
    "absurd.nii.gz 2048 cubed": zlib.compress(_nifti(_LARGE), wbits=31),
}
"""Headers that no file of their size can keep, by file name and what is absurd."""


@cache
def _zeros(format_bits: int) -> bytes:
    """Compressed zeros that expand to two gigabytes."""
    packer = zlib.compressobj(9, wbits=format_bits)
    parts = [packer.compress(bytes(_MEGABYTE)) for _ in range(BOMB_MEGABYTES)]
    return b"".join([*parts, packer.flush()])


def _packed_nifti(size: tuple[int, ...]) -> bytes:
    # A compressed file may have several parts, which are read as one.
    return zlib.compress(_nifti(size), wbits=31) + _zeros(31)


BOMBS: dict[str, Callable[[], bytes]] = {
    "bomb.nrrd small header": lambda: _nrrd(_SMALL, "gzip", _zeros(31)),
    "bomb.nrrd header of 2 GB": lambda: _nrrd((2048, 1024, 500), "gzip", _zeros(31)),
    "bomb.nrrd a million cubed": lambda: _nrrd(_MILLION, "gzip", _zeros(31)),
    "bomb.nrrd skips much": lambda: _nrrd(_SMALL, "gzip", _zeros(31), "byte skip: 2000000000\n"),
    "bomb.seg.nrrd small header": lambda: _nrrd(_SMALL, "gzip", _zeros(31), "Segment0_ID:=a\n"),
    "bomb.nii.gz small header": partial(_packed_nifti, _SMALL),
    "bomb.nii.gz header of 2 GB": partial(_packed_nifti, (2048, 1024, 500)),
    "bomb.mha small header": lambda: _meta(_SMALL, _zeros(15), "CompressedData = True\n"),
    "bomb.mha header of 2 GB": lambda: _meta((2048, 1024, 500), _zeros(15), "CompressedData = True\n"),
}
"""Files of two megabytes that expand to two gigabytes, by file name and what their header says."""


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.marker,)


def malicious(generator: random.Random, archive: bytes, marker: Path) -> bytes:
    """Put code that makes a file into a file of tensors, or in its place."""
    code = pickle.dumps({"version": 1, "step": Trap(marker)})
    if generator.random() < 0.3:
        return code
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            is_pickle = entry.filename.endswith("data.pkl")
            new.writestr(entry.filename, code if is_pickle else old.read(entry))
    return packed.getvalue()


@cache
def zip_bomb(archive: bytes) -> bytes:
    """Replace the first tensor of a file by gigabytes of zeros, compressed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith("/data/0"):
                new.writestr(entry.filename, old.read(entry))
                continue
            bomb = zipfile.ZipInfo(entry.filename)
            bomb.compress_type = zipfile.ZIP_DEFLATED
            with new.open(bomb, "w", force_zip64=True) as stored:
                for _ in range(BOMB_MEGABYTES):
                    stored.write(bytes(_MEGABYTE))
    return packed.getvalue()

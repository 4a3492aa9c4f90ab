"""Finds files that were cut short in ways that image readers do not report.

ITK fills the missing end of a truncated NIfTI file with zeros or garbage, and does not look at the checksum at the end
of compressed NRRD and NIfTI files. NRRD without compression and MetaImage are checked by ITK itself.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from .errors import UserError

_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_WITH_GZIP_HEADER = zlib.MAX_WBITS | 16
_LONGEST_HEADER_LINE = 1 << 20


def check_complete(path: Path) -> None:
    """Raise UserError when a NIfTI or NRRD file, or the data file beside its header, was cut short or damaged."""
    name = path.name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            _check_nifti(path, path)
        elif name.endswith((".hdr", ".img", ".img.gz")):
            _check_pair(path)
        elif name.endswith((".nrrd", ".nhdr")):
            _check_nrrd(path)
    except (EOFError, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise damaged(path) from error
    except OSError as error:
        raise UserError(f"{path.name} could not be read ({error.strerror}).", "Check that the file exists.") from error


def damaged(path: Path) -> UserError:
    """The error for a file that is no image or not a complete one."""
    return UserError(
        f"{path.name} could not be read: it is damaged, cut short, or not an image of a known format.",
        "Copy or export it again; NRRD, NIfTI, MetaImage files and DICOM series folders can be read.",
    )


def _check_nifti(header_path: Path, data_path: Path) -> None:
    header = _read_start(header_path, 540)
    needed = _nifti_size(header, separate=data_path != header_path)
    with data_path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        present = _gunzipped_size(file) if compressed else data_path.stat().st_size
    if present < needed:
        raise EOFError


def _check_pair(path: Path) -> None:
    stem = path.name.removesuffix(".gz").removesuffix(".img").removesuffix(".hdr")
    data = [path.with_name(stem + suffix) for suffix in (".img", ".img.gz")]
    header = path.with_name(stem + ".hdr")
    for candidate in data:
        if candidate.exists() and header.exists():
            _check_nifti(header, candidate)


def _read_start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        start = file.read(size)
        if not start.startswith(_GZIP_MAGIC):
            return start
        return zlib.decompressobj(_WITH_GZIP_HEADER).decompress(start + file.read(_CHUNK), size)


def _nifti_size(header: bytes, separate: bool) -> int:
    """The bytes that a data file needs by its NIfTI-1, NIfTI-2 or Analyze header."""
    order = "<" if struct.unpack_from("<i", header)[0] in (348, 540) else ">"
    if struct.unpack_from(f"{order}i", header)[0] == 540:
        rank, *sizes = struct.unpack_from(f"{order}8q", header, 16)
        bits, offset = struct.unpack_from(f"{order}h", header, 14)[0], struct.unpack_from(f"{order}q", header, 168)[0]
    else:
        rank, *sizes = struct.unpack_from(f"{order}8h", header, 40)
        bits, offset = struct.unpack_from(f"{order}h", header, 72)[0], struct.unpack_from(f"{order}f", header, 108)[0]
    if not 1 <= rank <= 7:
        raise EOFError
    voxels = 1
    for size in sizes[:rank]:
        voxels *= max(size, 1)
    # Beside a header of its own the data file starts with the voxels, whatever offset programs leave in the header.
    start = 0 if separate else int(offset)
    return start + (voxels * bits + 7) // 8


def _check_nrrd(path: Path) -> None:
    with path.open("rb") as file:
        fields = _nrrd_fields(file)
        if fields.get("encoding") not in ("gz", "gzip"):
            return
        data_file = fields.get("data file") or fields.get("datafile")
        if data_file is None:
            _gunzipped_size(file)
            return
    # A list or pattern of files is left to ITK.
    separate = path.parent / data_file
    if separate.is_file():
        with separate.open("rb") as file:
            _gunzipped_size(file)


def _nrrd_fields(file: BinaryIO) -> dict[str, str]:
    fields = {}
    while line := file.readline(_LONGEST_HEADER_LINE).strip():
        key, separator, value = line.partition(b": ")
        if separator and not line.startswith(b"#"):
            fields[key.decode("utf-8", "replace").lower()] = value.decode("utf-8", "replace").strip()
    return fields


def _gunzipped_size(file: BinaryIO) -> int:
    """The decompressed size of what follows in the file; raises EOFError or zlib.error when it is incomplete."""
    size = 0
    data = file.read(_CHUNK)
    while data.startswith(_GZIP_MAGIC):
        member = zlib.decompressobj(_WITH_GZIP_HEADER)
        while not member.eof:
            if not data:
                raise EOFError
            size += len(member.decompress(data))
            data = member.unused_data if member.eof else file.read(_CHUNK)
        # Block-wise compressed files have many members; anything else behind the last one is ignored, as readers do.
        data = data + file.read(_CHUNK) if len(data) < len(_GZIP_MAGIC) else data
    if not size:
        raise EOFError
    return size

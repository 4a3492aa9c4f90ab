"""Finds files that were cut short in ways that image readers do not report.

ITK fills the missing end of a truncated NIfTI file with zeros or garbage, and does not verify the checksum at the end
of compressed NRRD and NIfTI files. It allocates all the memory that a header announces before it reads the data, so
that is compared with the file first; a compressed file is never expanded beyond what its header needs.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from .errors import UserError
from .nifti import GZIP_MAGIC, parse_nifti_header, read_nifti_start

_CHUNK = 1 << 20
_WITH_GZIP_HEADER = zlib.MAX_WBITS | 16
_WITH_ANY_HEADER = zlib.MAX_WBITS | 32
_LONGEST_HEADER_LINE = 1 << 20
# Deflate makes at most 1032 bytes of one.
_MOST_EXPANSION = 1040
_MOST_DIMENSIONS = 16
_LONGEST_SKIP = 1 << 24
_LONGEST_LIST = 1 << 24


def check_header(path: Path) -> None:
    """Raise UserError for a header whose data file is missing, and for a MetaImage header that crashes ITK.

    That has more dimensions than any image has.
    """
    name = path.name.lower()
    if name.endswith((".mha", ".mhd")):
        fields = meta_fields(path)
        dimensions = fields.get("ndims", "")
        if not (dimensions.isdecimal() and len(dimensions) < 3 and 1 <= int(dimensions) <= _MOST_DIMENSIONS):
            raise damaged(path)
        _check_data_file(path, fields.get("elementdatafile", ""))
    elif name.endswith((".nrrd", ".nhdr")):
        try:
            with path.open("rb") as file:
                fields = nrrd_fields(file)
        except OSError as error:
            raise damaged(path) from error
        _check_data_file(path, fields.get("data file") or fields.get("datafile") or "")


def _check_data_file(path: Path, name: str) -> None:
    # A list or pattern of files is left to ITK.
    if not name or name.upper() in ("LOCAL", "LIST") or set("% ") & set(name) or (path.parent / name).exists():
        return
    raise UserError(
        f"{path.name} is the header of {name}, which is not beside it.",
        "Put both files into one folder, or save the image as one file.",
    )


def check_complete(path: Path, voxels: int, size: int) -> None:
    """Raise UserError when a file, or the data file beside its header, was cut short or damaged.

    NIfTI, NRRD and MetaImage files are checked; their headers announce so many voxels, of `size` bytes together.
    """
    name = path.name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            _check_nifti(path, path)
        elif name.endswith((".hdr", ".img", ".img.gz")):
            _check_pair(path)
        elif name.endswith((".nrrd", ".nhdr")):
            _check_nrrd(path, voxels, size)
        elif name.endswith((".mha", ".mhd")):
            _check_meta(path, voxels, size)
    except (EOFError, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise damaged(path) from error
    except OSError as error:
        raise UserError(f"{path.name} could not be read ({error.strerror}).", "Check that the file exists.") from error


def damaged(path: Path) -> UserError:
    """Return the error for a file that is no complete image."""
    return UserError(
        f"{path.name} could not be read: it is damaged, cut short, or not an image of a known format.",
        "Copy or export it again; NRRD, NIfTI, MetaImage files and DICOM series folders can be read.",
    )


def _check_nifti(header_path: Path, data_path: Path) -> None:
    header = parse_nifti_header(read_nifti_start(header_path))
    # Beside a header of its own the data file starts with the voxels, whatever offset programs leave in the header.
    needed = header.data_bytes + (0 if data_path != header_path else header.offset)
    with data_path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        present = _gunzipped_size(file, needed) if compressed else data_path.stat().st_size
    if present < needed:
        raise EOFError


def _check_pair(path: Path) -> None:
    stem = path.name.removesuffix(".gz").removesuffix(".img").removesuffix(".hdr")
    data = [path.with_name(stem + suffix) for suffix in (".img", ".img.gz")]
    header = path.with_name(stem + ".hdr")
    for candidate in data:
        if candidate.exists() and header.exists():
            _check_nifti(header, candidate)


def _check_nrrd(path: Path, voxels: int, size: int) -> None:
    with path.open("rb") as file:
        fields = nrrd_fields(file)
        data_file = fields.get("data file") or fields.get("datafile")
        if data_file is None:
            _check_nrrd_data(file, fields, voxels, size)
            return
    separate = path.parent / data_file
    # A list or pattern of files is left to ITK; devices never end.
    if separate.is_file():
        with separate.open("rb") as file:
            _check_nrrd_data(file, fields, voxels, size)
    elif separate.exists():
        raise EOFError


def _check_nrrd_data(file: BinaryIO, fields: dict[str, str], voxels: int, size: int) -> None:
    encoding, present = fields.get("encoding", "").lower(), _rest(file)
    skipped = fields.get("byte skip") or fields.get("byteskip") or "0"
    # Negative numbers of bytes are counted from the end of raw data.
    needed = size + max(int(skipped), 0)
    is_packed = encoding in ("gz", "gzip")
    # Those of compressed data are skipped one by one.
    if is_packed and int(skipped) > _LONGEST_SKIP:
        raise EOFError
    least = {"raw": needed, "hex": 2 * size, "txt": voxels, "text": voxels, "ascii": voxels}
    if present < least.get(encoding, 0) or (is_packed and _gunzipped_size(file, needed) < needed):
        raise EOFError


def _check_meta(path: Path, voxels: int, size: int) -> None:
    with path.open("rb") as file:
        fields = _meta_fields_of(file)
        name = fields.get("elementdatafile", "")
        if name.upper() == "LOCAL":
            _check_meta_data(file, fields, voxels, size)
        elif name.upper().startswith("LIST"):
            names = [line.decode("utf-8", "replace").strip() for line in file.read(_LONGEST_LIST).splitlines()]
            _check_meta_list([path.parent / name for name in names if name], size)
    separate = path.parent / name
    # A pattern of files is left to ITK; devices never end.
    if separate.is_file():
        with separate.open("rb") as file:
            _check_meta_data(file, fields, voxels, size)
    elif separate.exists() and name:
        raise EOFError


def _check_meta_data(file: BinaryIO, fields: dict[str, str], voxels: int, size: int) -> None:
    if fields.get("compresseddata", "").lower() == "true":
        _check_inflated(file, size)
        return
    is_text = fields.get("binarydata", "").lower() == "false"
    # A negative number of bytes is counted from the end.
    skipped = max(int(fields.get("headersize") or 0), 0)
    if _rest(file) < skipped + (voxels if is_text else size):
        raise EOFError


def _check_meta_list(paths: Sequence[Path], size: int) -> None:
    # Each slice is a file; ITK leaves memory as it is where the list ends before the volume.
    if sum(path.stat().st_size for path in paths if path.is_file()) < size:
        raise EOFError


def _check_inflated(file: BinaryIO, needed: int) -> None:
    if _rest(file) * _MOST_EXPANSION < needed:
        raise EOFError
    stream, size = zlib.decompressobj(_WITH_ANY_HEADER), 0
    while not stream.eof and size <= needed and (data := stream.unconsumed_tail or file.read(_CHUNK)):
        size += len(stream.decompress(data, _CHUNK))
    if size < needed or not (stream.eof or size > needed):
        raise EOFError


def meta_fields(path: Path) -> dict[str, str]:
    """Return the header of a MetaImage file, keys in lower case; raises UserError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return _meta_fields_of(file)
    except OSError as error:
        raise UserError(f"{path.name} could not be read ({error.strerror}).", "Check that you may read it.") from error


def _meta_fields_of(file: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    while "elementdatafile" not in fields and (line := file.readline(_LONGEST_HEADER_LINE)):
        key, _, value = line.decode("latin-1").partition("=")
        fields[key.strip().lower()] = value.strip()
    return fields


def nrrd_fields(file: BinaryIO) -> dict[str, str]:
    """Return the header of an NRRD file that is open at its beginning, keys in lower case."""
    fields = {}
    while line := file.readline(_LONGEST_HEADER_LINE).strip():
        key, separator, value = line.partition(b": ")
        if separator and not line.startswith(b"#"):
            fields[key.decode("utf-8", "replace").lower()] = value.decode("utf-8", "replace").strip()
    return fields


def _rest(file: BinaryIO) -> int:
    """Return the bytes from the position of a file to its end."""
    place = file.tell()
    end = file.seek(0, 2)
    file.seek(place)
    return end - place


def _gunzipped_size(file: BinaryIO, enough: int) -> int:
    """Return the decompressed size of the rest of the file, or a little more than `enough` where reading stops.

    Raises EOFError or zlib.error when it is incomplete.
    """
    if _rest(file) * _MOST_EXPANSION < enough:
        raise EOFError
    size = 0
    data = file.read(_CHUNK)
    while data.startswith(GZIP_MAGIC):
        member = zlib.decompressobj(_WITH_GZIP_HEADER)
        while not member.eof:
            expanded = member.decompress(data, _CHUNK)
            size += len(expanded)
            if size > enough:
                return size
            data = member.unused_data if member.eof else member.unconsumed_tail or file.read(_CHUNK)
            if not (data or expanded or member.eof):
                raise EOFError
        # Block-wise compressed files have many members; anything else behind the last one is ignored, as readers do.
        data = data + file.read(_CHUNK) if len(data) < len(GZIP_MAGIC) else data
    if not size:
        raise EOFError
    return size

"""A hash of what an image or annotation contains, wherever its files lie and whenever they were written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import SimpleITK as sitk

from ..study.geometry import Geometry
from ..study.images import metadata_of, read_file

_CHUNK = 1 << 20
# Formats that keep the voxels in other files than the header.
_SEPARATE_HEADER = (".mhd", ".nhdr", ".hdr", ".img", ".img.gz")


def content_hash(path: Path) -> str:
    """Return the SHA-256 of an image file or of all files in a folder of DICOM slices.

    Raises:
        OSError: A file cannot be read.
        UserError: An image with a separate header is damaged.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.is_file():
                digest.update(file.name.encode() + b"\0")
                _add_file(digest, file)
    elif path.name.lower().endswith(_SEPARATE_HEADER):
        _add_decoded(digest, path)
    else:
        _add_file(digest, path)
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    # The size comes first, so that no two folders give the same sequence of bytes.
    digest.update(path.stat().st_size.to_bytes(8, "big"))
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)


def _add_decoded(digest: hashlib._Hash, path: Path) -> None:
    path.stat()
    image = read_file(path)
    metadata = sorted(metadata_of(image).items())
    digest.update(repr((Geometry.of(image), image.GetPixelIDTypeAsString(), metadata)).encode("utf-8", "replace"))
    digest.update(sitk.GetArrayViewFromImage(image).tobytes())

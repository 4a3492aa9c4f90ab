"""NIfTI headers: what ITK takes for granted in them, and files that it cannot open as they are."""

from __future__ import annotations

import contextlib
import gzip
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import UserError

GZIP_MAGIC = b"\x1f\x8b"
_SUFFIXES = (".nii", ".nii.gz")
_LONGEST_HEADER = 540
_SECOND_VERSION = 540
_CHUNK = 1 << 20
_MOST_VOXELS = 32767
_TOLERANCE = 0.01
# Difference of direction cosines, about three degrees.
_TURNED = 0.05
_CORRECT_HEADER = "Correct its header, or save the volume again from a program that shows it right."
_FIRST_VERSION_BYTES = 352


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI or Analyze header says.

    Attributes:
        raw: Bytes of the header.
        order: Byte order, `<` or `>` as in `struct`.
        is_second: Whether it is a NIfTI-2 header.
        sizes: Voxels along each axis.
        bits: Bits of a voxel.
        offset: Place of the voxels in their file.
        spacing: Distances between voxels in the header's unit, of the first three axes.
        codes: Kinds of space of the first (qform) and the second (sform) description of axes and position, 0 for none.
        qform: Axes and position (3, 4) by a rotation, None without.
        sform: Axes and position (3, 4) by a matrix, None without.
    """

    raw: bytes
    order: str
    is_second: bool
    sizes: tuple[int, ...]
    bits: int
    offset: int
    spacing: tuple[float, ...]
    codes: tuple[int, int]
    qform: np.ndarray | None
    sform: np.ndarray | None

    @property
    def data_bytes(self) -> int:
        """The bytes of all voxels."""
        voxels = 1
        for size in self.sizes:
            voxels *= max(size, 1)
        return (voxels * self.bits + 7) // 8


def parse_nifti_header(raw: bytes) -> NiftiHeader:
    """Return the content of a NIfTI-1, NIfTI-2 or Analyze header; raises EOFError or struct.error for none."""
    order = "<" if struct.unpack_from("<i", raw)[0] in (348, _SECOND_VERSION) else ">"
    is_second = struct.unpack_from(f"{order}i", raw)[0] == _SECOND_VERSION

    def read(second: tuple[str, int], first: tuple[str, int]) -> tuple[float, ...]:
        kind, place = second if is_second else first
        return struct.unpack_from(order + kind, raw, place)

    rank, *sizes = (int(value) for value in read(("8q", 16), ("8h", 40)))
    if not 1 <= rank <= 7:
        raise EOFError
    sign, *spacing = read(("8d", 104), ("8f", 76))
    qform_code, sform_code = (int(read(("i", at), ("h", first))[0]) for at, first in ((344, 252), (348, 254)))
    rotation = read(("6d", 352), ("6f", 256))
    return NiftiHeader(
        raw=raw,
        order=order,
        is_second=is_second,
        sizes=tuple(sizes[:rank]),
        bits=int(read(("h", 14), ("h", 72))[0]),
        offset=int(read(("q", 168), ("f", 108))[0]),
        spacing=tuple(spacing[: min(rank, 3)]),
        codes=(qform_code, sform_code),
        qform=_rotated(rotation, spacing[:3], sign) if qform_code > 0 else None,
        sform=np.reshape(read(("12d", 400), ("12f", 280)), (3, 4)) if sform_code > 0 else None,
    )


def _rotated(values: Sequence[float], spacing: Sequence[float], sign: float) -> np.ndarray:
    """Return axes and position (3, 4) from a quaternion without its first part, and a position."""
    b, c, d, *position = values
    a = max(0.0, 1.0 - b * b - c * c - d * d) ** 0.5
    axes = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    lengths = np.array([*spacing[:2], -spacing[2] if sign < 0 else spacing[2]])
    return np.column_stack([axes * lengths, position])


def read_nifti_start(path: Path) -> bytes:
    """Return the first bytes of a NIfTI file, which may be compressed whatever it is called."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
        if not start.startswith(GZIP_MAGIC):
            return start
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return unpacked.decompress(start + file.read(_CHUNK), _LONGEST_HEADER)


def check_nifti_spacing(path: Path) -> None:
    """Raise UserError for a NIfTI file without a spacing, or with two that differ; other files are not read.

    ITK takes no spacing for 1 mm, and the spacing of one description with the axes of the other.
    """
    if not path.name.lower().endswith((*_SUFFIXES, ".hdr")):
        return
    header = parse_nifti_header(read_nifti_start(path))
    spacing = np.abs(header.spacing)
    if not np.isfinite(spacing).all() or spacing.min() <= 0:
        raise no_spacing(path)
    if header.sform is None or len(spacing) < 3 or not np.isfinite(header.sform).all():
        return
    lengths = np.linalg.norm(header.sform[:, :3], axis=0)
    says_more = header.codes[0] == header.codes[1] or header.qform is None
    if says_more and lengths.all() and not np.allclose(lengths, spacing, rtol=_TOLERANCE):
        first, second = (" x ".join(f"{value:.4g}" for value in values) for values in (spacing, lengths))
        raise UserError(
            f"{path.name} gives two different voxel spacings, {first} (pixdim) and {second} (sform).", _CORRECT_HEADER
        )
    if header.qform is not None and lengths.all():
        _check_same_place(path, header.qform, header.sform, one_space=header.codes[0] == header.codes[1])


def _check_same_place(path: Path, qform: np.ndarray, sform: np.ndarray, *, one_space: bool) -> None:
    """Raise UserError where axes and positions (3, 4) of one space differ, or those of two are mirror images."""
    mirrored = np.linalg.det(qform[:, :3]) * np.linalg.det(sform[:, :3]) < 0
    turned = np.abs(_unit(qform[:, :3]) - _unit(sform[:, :3])).max() > _TURNED
    moved = np.linalg.norm(qform[:, 3] - sform[:, 3]) > np.linalg.norm(qform[:, :3], axis=0).max()
    if mirrored or (one_space and (turned or moved)):
        what = "mirror images of each other" if mirrored else "which differ in direction or place"
        raise UserError(f"{path.name} describes its axes twice (qform and sform), {what}.", _CORRECT_HEADER)


def _unit(axes: np.ndarray) -> np.ndarray:
    return axes / np.linalg.norm(axes, axis=0)


def no_spacing(path: Path) -> UserError:
    """Return the error for an image whose header does not say how large its voxels are."""
    return UserError(
        f"{path.name} does not say how far its voxels are apart.",
        "Save it again with its voxel spacing in mm, for example from the Volumes module of 3D Slicer.",
    )


@contextlib.contextmanager
def as_itk_reads(path: Path, *, header_only: bool = False) -> Iterator[Path]:
    """Yield a file that ITK can open: the file itself, or a NIfTI-1 copy of a NIfTI-2 or a packed .nii file.

    Args:
        path: Any image file.
        header_only: Whether the copy needs no voxels.

    Raises:
        UserError: A NIfTI-2 file is larger than NIfTI-1 can be.
    """
    if not path.name.lower().endswith(_SUFFIXES):
        yield path
        return
    try:
        start = read_nifti_start(path)
        header = parse_nifti_header(start)
        with path.open("rb") as file:
            is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    except (OSError, EOFError, zlib.error, struct.error, ValueError, OverflowError):
        # Its errors are reported when it is read.
        yield path
        return
    # ITK takes endings in capital or in small letters, and not in both.
    ending = path.name[path.name.lower().rindex(".nii") :]
    is_mixed = not (ending.islower() or ending.isupper())
    if not (header.is_second or is_mixed or (is_packed and not ending.lower().endswith(".gz"))):
        yield path
        return
    if max(header.sizes) > _MOST_VOXELS:
        raise UserError(f"{path.name} is a NIfTI-2 file of more than {_MOST_VOXELS} voxels along an axis.", "Crop it.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.nii"
        with copy.open("wb") as target, (gzip.open if is_packed else open)(path, "rb") as source:
            target.write(_first_version(header))
            source.seek(header.offset)
            remaining = 0 if header_only else header.data_bytes
            while remaining > 0 and (part := source.read(min(_CHUNK, remaining))):
                target.write(part)
                remaining -= len(part)
        yield copy


def _first_version(header: NiftiHeader) -> bytes:
    """Return a NIfTI-1 header, with the four bytes behind it, that says the same."""
    order, raw = header.order, header.raw
    if not header.is_second:
        new = bytearray(raw[: _FIRST_VERSION_BYTES - 4] + bytes(4))
        struct.pack_into(f"{order}f", new, 108, _FIRST_VERSION_BYTES)
        return bytes(new)
    new = bytearray(_FIRST_VERSION_BYTES)
    struct.pack_into(f"{order}i", new, 0, 348)
    # Kind and place of each entry in the second and in the first version.
    for kind_then, then, kind, place in (
        ("8q", 16, "8h", 40),
        ("h", 12, "h", 70),
        ("h", 14, "h", 72),
        ("8d", 104, "8f", 76),
        ("2d", 176, "2f", 112),
        ("i", 500, "b", 123),
        ("2i", 344, "2h", 252),
        ("6d", 352, "6f", 256),
        ("12d", 400, "12f", 280),
    ):
        struct.pack_into(order + kind, new, place, *struct.unpack_from(order + kind_then, raw, then))
    struct.pack_into(f"{order}f", new, 108, _FIRST_VERSION_BYTES)
    new[344:348] = b"n+1\0"
    return bytes(new)

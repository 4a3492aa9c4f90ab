"""One preprocessed case on disk: its arrays, and a summary that is read without them."""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ..jobs.records import from_plain, to_plain
from ..jobs.spec import JobCase
from ..study.errors import UserError
from ..study.model import Role

_META = "meta.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class CaseArrays:
    """A case in memory.

    Attributes:
        image: Normalised voxels (slices, rows, columns) float32.
        labels: Class indices of that shape, uint8; None without annotation.
        foreground: Some annotated voxels (N, 4) int32 with the columns class, slice, row, column; None without
            annotation.
    """

    image: np.ndarray
    labels: np.ndarray | None
    foreground: np.ndarray | None


@dataclass(frozen=True)
class StructureVolume:
    """The volume of one structure in mm³, in the annotation and on the plan grid."""

    annotated: float
    on_grid: float


@dataclass(frozen=True)
class CachedCase:
    """A preprocessed case on disk.

    Attributes:
        id: Id of the case.
        site: Site of the case.
        external: Whether the site is not the local one.
        role: Role of the case.
        folder: Folder with the arrays: image.npy and, for annotated roles, labels.npy and foreground.npy.
        shape: Voxels (slices, rows, columns) on the plan grid.
        has_labels: Whether there are labels.
        pad_value: Value around the image where a patch is larger: its minimum, which is air or outside of the body.
        nbytes: Bytes of all its arrays in memory.
        annotated: Class indices of the structures that it is annotated for, or assigned to where it has no annotation;
            None for all structures, or where nothing is known.
        volumes: Volume of every structure in the order of the structures; empty without labels.
        is_constant: Whether all voxels of the image have the same value.
    """

    id: str
    site: str
    external: bool
    role: Role
    folder: Path
    shape: tuple[int, int, int]
    has_labels: bool
    pad_value: float
    nbytes: int
    annotated: tuple[int, ...] | None = None
    volumes: tuple[StructureVolume, ...] = ()
    is_constant: bool = False

    def load(self) -> CaseArrays:
        """Read the arrays.

        Raises:
            UserError: They were removed or damaged.
        """
        try:
            image = np.load(self.folder / "image.npy")
            if not self.has_labels:
                return CaseArrays(image, None, None)
            return CaseArrays(image, np.load(self.folder / "labels.npy"), np.load(self.folder / "foreground.npy"))
        except (OSError, ValueError, EOFError) as error:
            raise UserError(
                f"The preprocessed case {self.id} was removed or damaged while it was needed.",
                "Resume the job; the case is then preprocessed again.",
            ) from error


@dataclass(frozen=True)
class _Meta:
    """The content of meta.json; `files` are the sizes of the array files in bytes, `checksums` their CRC-32."""

    shape: tuple[int, int, int]
    pad_value: float
    nbytes: int
    files: dict[str, int]
    checksums: dict[str, int]
    volumes: tuple[StructureVolume, ...]
    is_constant: bool


def open_cached_case(folder: Path, case: JobCase, has_labels: bool) -> CachedCase | None:
    """Return the preprocessed case in a folder, or None when it is absent or damaged.

    Args:
        folder: Folder that `write_arrays` filled.
        case: Case as the job describes it.
        has_labels: Whether the case must have labels.
    """
    try:
        meta = from_plain(_Meta, json.loads((folder / _META).read_bytes()))
        # A flipped bit would be learned from without a word.
        complete = all(
            path.stat().st_size == size and _checksum(path) == meta.checksums.get(name)
            for name, size in meta.files.items()
            for path in [folder / f"{name}.npy"]
        )
    except (OSError, ValueError, RecursionError):
        return None
    if not complete or has_labels != ("labels" in meta.files):
        return None
    return CachedCase(
        case.id,
        case.site,
        case.external,
        case.role,
        folder,
        meta.shape,
        has_labels,
        meta.pad_value,
        meta.nbytes,
        volumes=meta.volumes,
        is_constant=meta.is_constant,
    )


def is_cached_case(folder: Path) -> bool:
    """Return whether a folder is a preprocessed case, complete or not."""
    return (folder / _META).is_file()


def mark_used(folder: Path) -> None:
    """Record that a job uses a preprocessed case now."""
    # Another job may put its equal copy into the place of this one meanwhile.
    with contextlib.suppress(OSError):
        os.utime(folder / _META)


def unused_seconds(folder: Path) -> float:
    """Return for how long no job has used or written a preprocessed case; 0 where that is not known."""
    meta = folder / _META
    try:
        return time.time() - (meta if meta.exists() else folder).stat().st_mtime
    except OSError:
        return 0.0


def write_arrays(folder: Path, arrays: CaseArrays, volumes: tuple[StructureVolume, ...]) -> None:
    """Write a preprocessed case into an empty folder.

    Raises:
        OSError: The system refuses to write.
    """
    files = {"image": arrays.image, "labels": arrays.labels, "foreground": arrays.foreground}
    present = {name: array for name, array in files.items() if array is not None}
    for name, array in present.items():
        # Into a file directly, NumPy would not say why the system refuses to write.
        _write_synced(
            folder / f"{name}.npy", lambda file, array=array: np.save(SimpleNamespace(write=file.write), array)
        )
    lowest, highest = float(arrays.image.min()), float(arrays.image.max())
    slices, rows, columns = arrays.image.shape
    meta = _Meta(
        shape=(slices, rows, columns),
        pad_value=lowest,
        nbytes=sum(array.nbytes for array in present.values()),
        files={name: (folder / f"{name}.npy").stat().st_size for name in present},
        checksums={name: _checksum(folder / f"{name}.npy") for name in present},
        volumes=volumes,
        is_constant=lowest == highest,
    )
    _write_synced(folder / _META, lambda file: file.write(json.dumps(to_plain(meta)).encode()))


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _write_synced(path: Path, write: Callable[..., object]) -> None:
    with open(path, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())

"""Preprocessed cases on disk: made once, written completely or not at all, safe to delete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ..jobs.spec import JobCase
from ..study.annotations import read_annotation
from ..study.errors import UserError
from ..study.files import TEMPORARY_PREFIX, temporary_folder, write_error
from ..study.images import read_image
from ..study.model import Role, Structure
from .plan import Plan
from .preprocess import labels_to_plan_grid, to_plan_grid

# Foreground voxels kept of each class; enough that no two epochs centre their patches alike.
FOREGROUND_PER_CLASS = 2000
# A younger temporary folder may belong to a job that is still writing it.
_ABANDONED_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class CachedCase:
    """A preprocessed case on disk.

    Attributes:
        id: of the case.
        site: of the case.
        external: whether the site is not the local one.
        role: of the case.
        folder: with image.npy (float32) and, for annotated roles, labels.npy (uint8) and foreground.npy (int32).
        shape: (slices, rows, columns) on the plan grid.
        has_labels: whether it has labels.
        pad_value: what surrounds the image where a patch is larger: its minimum, which is air or outside the body.
        nbytes: of all its arrays in memory.
        annotated: class indices of the structures it is annotated for, or taken for where it has no annotation; None
            for all, or where nothing is known.
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

    def load(self) -> CaseArrays:
        """Read the arrays; raises UserError when they are gone or damaged."""
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
class CaseArrays:
    """A case in memory: image (slices, rows, columns) float32, labels of that shape uint8, foreground (N, 4) int32.

    A row of `foreground` is the class and the indices of one annotated voxel, along slices, rows, columns.
    """

    image: np.ndarray
    labels: np.ndarray | None
    foreground: np.ndarray | None


def prepare_cache(
    cases: Sequence[JobCase],
    plan: Plan,
    folder: Path,
    structures: Sequence[Structure],
    on_progress: Callable[[int, int], None],
) -> tuple[CachedCase, ...]:
    """Preprocess the cases that are not in the cache yet, one in memory at a time.

    Annotations are read of labeled and validation cases only: what a method learns without labels must not see any.

    Args:
        cases: in the order of the result.
        plan: decides the subfolder.
        folder: the study's cache folder; made when absent.
        structures: of the annotations.
        on_progress: called with the number of cases done and their total.

    Raises:
        UserError: a file cannot be used, or the cache cannot be written.
    """
    home = Path(folder) / plan.key()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(home, error) from error
    _remove_abandoned(home)
    cached = []
    for done, case in enumerate(cases, start=1):
        prepared = _prepare_case(case, plan, home, structures)
        cached.append(replace(prepared, annotated=annotated_classes(case, structures)))
        on_progress(done, len(cases))
    return tuple(cached)


def content_key(case: JobCase, structures: Sequence[Structure]) -> str:
    """Return a short hash that changes when a file of the case (name, size or time) or the structures change."""
    parts: list[object] = [_stamps(case, Path(case.image))]
    annotation = _usable_annotation(case)
    if annotation is not None:
        parts += [_stamps(case, annotation), [(structure.name, structure.label) for structure in structures]]
        # What may be in the annotation is checked when it is read.
        parts += [] if case.structures is None else [case.structures]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def annotated_classes(case: JobCase, structures: Sequence[Structure]) -> tuple[int, ...] | None:
    """Return the class indices of the structures that a case is annotated or taken for; None for no statement."""
    if case.structures is None:
        return None
    return tuple(index for index, structure in enumerate(structures, 1) if structure.name in case.structures)


def _usable_annotation(case: JobCase) -> Path | None:
    """Return the annotation that may be read: none of cases that a method learns without labels."""
    if case.annotation is None or not case.role.needs_annotation:
        return None
    return Path(case.annotation)


def _stamps(case: JobCase, path: Path) -> list[tuple[str, int, int]]:
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError as error:
        raise UserError(
            f"{path.name} of the case {case.id} is missing or cannot be read.", "Put it back, or remove the case."
        ) from error
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _prepare_case(case: JobCase, plan: Plan, home: Path, structures: Sequence[Structure]) -> CachedCase:
    target = home / f"{case.id}-{content_key(case, structures)}"
    found = _open(target, case)
    if found is not None:
        return found
    with temporary_folder(target) as temporary:
        _write_arrays(temporary, _preprocess(case, plan, structures))
        _put_in_place(temporary, target, case)
    made = _open(target, case)
    if made is None:
        raise UserError(f"The preprocessed case {case.id} could not be kept in {home}.", "Check the disk.")
    return made


def _preprocess(case: JobCase, plan: Plan, structures: Sequence[Structure]) -> CaseArrays:
    image = read_image(Path(case.image))
    voxels = to_plan_grid(image, plan)
    annotation = _usable_annotation(case)
    if annotation is None:
        return CaseArrays(voxels, None, None)
    labels = labels_to_plan_grid(read_annotation(annotation, structures, image, case.structures), plan)
    return CaseArrays(voxels, labels, foreground_voxels(labels, np.random.default_rng(0)))


def foreground_voxels(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return some voxels of each class, int32 (N, 4), spread evenly over the slices that show it.

    Args:
        labels: (slices, rows, columns) class indices.
        generator: draws the voxels.
    """
    rows = []
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        # Every slice of the class keeps some, so that also a slice drawn alone can be centred.
        share = -(-FOREGROUND_PER_CLASS // len(np.unique(voxels[:, 0])))
        voxels = generator.permutation(voxels, axis=0)
        voxels = voxels[np.argsort(voxels[:, 0], kind="stable")]
        starts = np.searchsorted(voxels[:, 0], voxels[:, 0])
        kept = voxels[np.arange(len(voxels)) - starts < share]
        rows.append(np.insert(kept, 0, label, axis=1))
    return np.concatenate(rows).astype(np.int32) if rows else np.empty((0, 4), dtype=np.int32)


def _write_arrays(folder: Path, arrays: CaseArrays) -> None:
    files = {"image": arrays.image, "labels": arrays.labels, "foreground": arrays.foreground}
    present = {name: array for name, array in files.items() if array is not None}
    for name, array in present.items():
        # Into a file directly, NumPy would not say why the system refuses to write.
        _write_synced(
            folder / f"{name}.npy", lambda file, array=array: np.save(SimpleNamespace(write=file.write), array)
        )
    meta = {
        "shape": arrays.image.shape,
        "pad_value": float(arrays.image.min()),
        "files": {name: (folder / f"{name}.npy").stat().st_size for name in present},
        "nbytes": sum(array.nbytes for array in present.values()),
    }
    _write_synced(folder / "meta.json", lambda file: file.write(json.dumps(meta).encode()))


def _write_synced(path: Path, write: Callable[..., object]) -> None:
    with open(path, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _open(target: Path, case: JobCase) -> CachedCase | None:
    """Return the case at `target`, or None when it is absent or damaged."""
    try:
        meta = json.loads((target / "meta.json").read_bytes())
        whole = all((target / f"{name}.npy").stat().st_size == size for name, size in meta["files"].items())
        shape, pad_value, nbytes = tuple(meta["shape"]), float(meta["pad_value"]), int(meta["nbytes"])
        has_labels = "labels" in meta["files"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not whole or has_labels != (_usable_annotation(case) is not None):
        return None
    return CachedCase(case.id, case.site, case.external, case.role, target, shape, has_labels, pad_value, nbytes)


def _put_in_place(temporary: Path, target: Path, case: JobCase) -> None:
    """Rename a complete folder to `target`, unless another job has made the same case meanwhile.

    That job may be reading its copy by now, so it stays; and it may come between any two calls here.
    """
    if _open(target, case) is None:
        shutil.rmtree(target, ignore_errors=True)
        try:
            temporary.replace(target)
        except OSError:
            if _open(target, case) is None:
                raise


def _remove_abandoned(home: Path) -> None:
    for folder in home.glob(f"{TEMPORARY_PREFIX}*"):
        try:
            abandoned = time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS
        except FileNotFoundError:
            continue
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)

"""Preprocessed cases on disk: made once, written completely or not at all, safe to delete."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..jobs.spec import JobCase
from ..study.annotations import read_annotation
from ..study.errors import UserError
from ..study.files import TEMPORARY_PREFIX, temporary_folder, write_error
from ..study.images import read_image
from ..study.model import Structure
from .cached_case import (
    CachedCase,
    CaseArrays,
    StructureVolume,
    is_cached_case,
    mark_used,
    open_cached_case,
    unused_seconds,
    write_arrays,
)
from .case_errors import naming_case
from .content import content_hash
from .grid import PlanGrid
from .plan import Plan
from .preprocess import labels_to_plan_grid, to_plan_grid

# Foreground voxels stored of each class: enough that no two epochs centre their patches alike.
FOREGROUND_PER_CLASS = 2000
_DAY = 24 * 3600.0
# A younger temporary folder may belong to a job that is still writing it.
_ABANDONED_SECONDS = _DAY
# What no job has used for so long was mostly prepared from files or with plans that have changed since.
_UNUSED_SECONDS = 30 * _DAY


def prepare_cache(
    cases: Sequence[JobCase],
    plan: Plan,
    folder: Path,
    structures: Sequence[Structure],
    on_progress: Callable[[int, int], None],
) -> tuple[CachedCase, ...]:
    """Preprocess the cases that are not in the cache yet, one in memory at a time.

    Only annotations of labeled and validation cases are read: what a method learns without labels must not see any.
    Cases that no job has used for 30 days are removed; when needed again, they are prepared again.

    Args:
        cases: Cases in the order of the result.
        plan: Plan, which decides the subfolder.
        folder: Cache folder of the study; made when absent.
        structures: Structures of the annotations.
        on_progress: Function that is called with the number of cases done and their total.

    Raises:
        UserError: A file cannot be used, or the cache cannot be written.
    """
    home = Path(folder) / plan.key()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(home, error) from error
    cached = []
    for done, case in enumerate(cases, start=1):
        with naming_case(case.id):
            prepared = _prepare_case(case, plan, home, structures)
        cached.append(replace(prepared, annotated=annotated_classes(case, structures)))
        on_progress(done, len(cases))
    _remove_unused(Path(folder))
    return tuple(cached)


def content_key(case: JobCase, structures: Sequence[Structure]) -> str:
    """Return a short hash of the content of the case's files, and of the structures where it has an annotation.

    Neither the place nor the time of a file counts: a copied study finds its cases again, and another file of the same
    name, size and time is another case.

    Raises:
        UserError: A file cannot be read.
    """
    parts: list[object] = [_content(case, Path(case.image))]
    annotation = _usable_annotation(case)
    if annotation is not None:
        parts += [_content(case, annotation), [(structure.name, structure.label) for structure in structures]]
        # The structures of the case decide what may be in its annotation.
        parts += [] if case.structures is None else [case.structures]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def annotated_classes(case: JobCase, structures: Sequence[Structure]) -> tuple[int, ...] | None:
    """Return the class indices of the structures that a case is annotated for or assigned to; None for no statement."""
    if case.structures is None:
        return None
    return tuple(index for index, structure in enumerate(structures, 1) if structure.name in case.structures)


def _usable_annotation(case: JobCase) -> Path | None:
    """Return the annotation that may be read: none of cases that a method learns without labels."""
    if case.annotation is None or not case.role.needs_annotation:
        return None
    return Path(case.annotation)


def _content(case: JobCase, path: Path) -> str:
    try:
        return content_hash(path)
    except OSError as error:
        raise UserError(
            f"{path.name} of the case {case.id} is missing or cannot be read.",
            # A round that is resumed or continued has the cases of its beginning, whatever became of the study.
            "Put it back; or remove the case and start a new round instead of resuming or continuing this one.",
        ) from error


def _prepare_case(case: JobCase, plan: Plan, home: Path, structures: Sequence[Structure]) -> CachedCase:
    target = home / f"{case.id}-{content_key(case, structures)}"
    has_labels = _usable_annotation(case) is not None
    present = open_cached_case(target, case, has_labels)
    if present is not None:
        mark_used(target)
        return present
    with temporary_folder(target) as temporary:
        write_arrays(temporary, *_preprocess(case, plan, structures))
        _put_in_place(temporary, target, case, has_labels)
    prepared = open_cached_case(target, case, has_labels)
    if prepared is None:
        raise UserError(f"The preprocessed case {case.id} could not be stored in {home}.", "Check the disk.")
    return prepared


def _preprocess(
    case: JobCase, plan: Plan, structures: Sequence[Structure]
) -> tuple[CaseArrays, tuple[StructureVolume, ...]]:
    image = read_image(Path(case.image))
    voxels = to_plan_grid(image, plan)
    annotation = _usable_annotation(case)
    if annotation is None:
        return CaseArrays(voxels, None, None), ()
    class_map = read_annotation(annotation, structures, image, case.structures)
    labels = labels_to_plan_grid(class_map, plan)
    arrays = CaseArrays(voxels, labels, foreground_voxels(labels, np.random.default_rng(0)))
    return arrays, _volumes(class_map, labels, plan, len(structures))


def _volumes(class_map: sitk.Image, labels: np.ndarray, plan: Plan, structures: int) -> tuple[StructureVolume, ...]:
    annotated = _class_volumes(sitk.GetArrayViewFromImage(class_map), class_map.GetSpacing(), structures)
    on_grid = _class_volumes(labels, PlanGrid.of(class_map, plan).spacing, structures)
    return tuple(StructureVolume(*pair) for pair in zip(annotated, on_grid, strict=True))


def _class_volumes(classes: np.ndarray, spacing: Sequence[float], structures: int) -> list[float]:
    return (np.bincount(classes.ravel(), minlength=1 + structures)[1:] * float(np.prod(spacing))).tolist()


def foreground_voxels(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return some voxels of each class, spread evenly over the slices that show it.

    Args:
        labels: Class indices (slices, rows, columns).
        generator: Generator of the draw.

    Returns:
        Voxels (N, 4) int32 with the columns class, slice, row, column.
    """
    rows = []
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        # Some of every slice with the class, so that also a slice drawn alone can be centred.
        share = -(-FOREGROUND_PER_CLASS // len(np.unique(voxels[:, 0])))
        voxels = generator.permutation(voxels, axis=0)
        voxels = voxels[np.argsort(voxels[:, 0], kind="stable")]
        starts = np.searchsorted(voxels[:, 0], voxels[:, 0])
        stored = voxels[np.arange(len(voxels)) - starts < share]
        rows.append(np.insert(stored, 0, label, axis=1))
    return np.concatenate(rows).astype(np.int32) if rows else np.empty((0, 4), dtype=np.int32)


def _put_in_place(temporary: Path, target: Path, case: JobCase, has_labels: bool) -> None:
    """Rename a complete folder to `target`, unless another job has made the same case meanwhile.

    That job may be reading its copy by now, so it stays; and it may come between any two calls here.
    """
    if open_cached_case(target, case, has_labels) is None:
        shutil.rmtree(target, ignore_errors=True)
        try:
            temporary.replace(target)
        except OSError:
            if open_cached_case(target, case, has_labels) is None:
                raise


def _remove_unused(folder: Path) -> None:
    for home in folder.iterdir():
        # Nothing behind a link is removed, nor what the cache did not write.
        if home.is_symlink() or not home.is_dir():
            continue
        for case in home.iterdir():
            is_temporary = case.name.startswith(TEMPORARY_PREFIX)
            if case.is_symlink() or not (is_temporary or is_cached_case(case)):
                continue
            if unused_seconds(case) > (_ABANDONED_SECONDS if is_temporary else _UNUSED_SECONDS):
                shutil.rmtree(case, ignore_errors=True)

"""Paths in job.json: relative within and near the study, so that a copied or moved study reads its own files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from ..study.errors import UserError
from ..study.layout import StudyFolder, study_of_job
from ..study.model import is_absolute
from ..study.paths import path_from, path_in
from ..study.store import load_study
from .spec import JobSpec


def with_relative_paths(spec: JobSpec, folder: Path) -> JobSpec:
    """Return a job whose paths within or near its study, or within its own folder, are relative to the job folder.

    Args:
        spec: Job with absolute paths.
        folder: Absolute path of the job folder.
    """
    home = _home(folder)

    def relative(path: str) -> str:
        if PurePath(path).is_relative_to(home):
            return PurePath(os.path.relpath(path, folder)).as_posix()
        return path if home == folder else path_from(folder, path)

    return _map_paths(spec, relative)


def with_absolute_paths(spec: JobSpec, folder: Path) -> JobSpec:
    """Return a job with absolute paths, which lie in the study that the job folder is in now.

    Older programs wrote absolute paths only. Those of a study that was copied or moved since are found by the paths
    that its study.json has for the same cases.

    Args:
        spec: Job as in job.json.
        folder: Absolute path of the job folder.
    """
    home = _home(folder)
    former = None
    if any(_is_foreign(path, home) for path in _paths(spec)):
        former = _former_home(spec, home)

    def absolute(path: str) -> str:
        if not is_absolute(path):
            absolute_path = os.path.normpath(folder / path)
            return absolute_path if PurePath(absolute_path).is_relative_to(home) else str(path_in(folder, path))
        if former is not None and (inside := _within(path, former)) is not None:
            return str(home / inside)
        return _model_of_own_round(path, home) or path

    return _map_paths(spec, absolute)


def _home(folder: Path) -> Path:
    """Return the study that a job belongs to, or the job folder itself where it is not in a study."""
    study = study_of_job(folder)
    return study.path if study.has_job(folder) and study.exists() else folder


def _paths(spec: JobSpec) -> list[str]:
    of_cases = (path for case in spec.cases for path in (case.image, case.annotation))
    return [path for path in (*of_cases, spec.warm_start, spec.model) if path is not None]


def _map_paths(spec: JobSpec, change: Callable[[str], str]) -> JobSpec:
    def optional(path: str | None) -> str | None:
        return None if path is None else change(path)

    cases = (replace(case, image=change(case.image), annotation=optional(case.annotation)) for case in spec.cases)
    return replace(spec, cases=tuple(cases), warm_start=optional(spec.warm_start), model=optional(spec.model))


def _is_foreign(path: str, home: Path) -> bool:
    return is_absolute(path) and not PurePath(path).is_relative_to(home)


def _former_home(spec: JobSpec, home: Path) -> str | None:
    """Return where the study of a round was when the round was made, None where it was here or is not known."""
    try:
        study = load_study(home)
    except UserError:
        return None
    stored = {case.id: case.image for case in study.cases if not is_absolute(case.image)}
    for case in spec.cases:
        image = _parts(case.image)
        inside = _parts(stored[case.id]) if case.id in stored else ()
        if inside and is_absolute(case.image) and image[-len(inside) :] == inside:
            return str(_pure(case.image).parents[len(inside) - 1])
    return None


def _within(path: str, folder: str) -> str | None:
    pure = _pure(path)
    return pure.relative_to(folder).as_posix() if pure.is_relative_to(folder) else None


def _model_of_own_round(path: str, home: Path) -> str | None:
    """Return the model that a study has in place of one that is gone, as after a move."""
    *_, rounds, name, model = ("", "", "", *_parts(path))
    moved = StudyFolder(home).rounds / name / model
    return str(moved) if (rounds, model) == ("rounds", "model") and moved.is_dir() and not os.path.isdir(path) else None


def _parts(path: str) -> tuple[str, ...]:
    return _pure(path).parts


def _pure(path: str) -> PurePosixPath | PureWindowsPath:
    # The study may have been made on another system.
    return PureWindowsPath(path) if PureWindowsPath(path).drive else PurePosixPath(path)

"""The rounds of a study: numbered job folders."""

from __future__ import annotations

import re
from pathlib import Path

from ..study.errors import UserError
from ..study.files import check_stays_inside, write_error
from ..study.layout import StudyFolder
from ..study.locking import hold_lock
from .folder import JobFolder

_ROUND = re.compile(r"(\d{3,})-([a-z0-9_]+)")


def rounds(study_folder: Path | str) -> list[JobFolder]:
    """Return all rounds of a study, oldest first."""
    parent = StudyFolder(study_folder).rounds
    folders = [entry for entry in parent.glob("*") if entry.is_dir() and _ROUND.fullmatch(entry.name)]
    return [JobFolder(entry) for entry in sorted(folders, key=number_of)]


def next_round(study_folder: Path | str, method: str) -> JobFolder:
    """Make the folder of a new round, such as rounds/001-cu2l; raises UserError when that is not possible."""
    return JobFolder(new_numbered_folder(StudyFolder(study_folder).rounds, study_folder, method))


def new_numbered_folder(parent: Path, study_folder: Path | str, name: str) -> Path:
    """Make the next folder of a numbered list, such as 001-cu2l; raises UserError when that is not possible.

    Args:
        parent: Folder of the list, which is made when it is missing.
        study_folder: Folder that everything has to stay in.
        name: Name behind the number.
    """
    check_stays_inside(parent, study_folder)
    try:
        parent.mkdir(exist_ok=True)
        with hold_lock(parent / f"{parent.name}.lock", f"The list of {parent.name}"):
            numbers = [number_of(entry) for entry in parent.glob("*") if _ROUND.fullmatch(entry.name)]
            folder = parent / f"{max(numbers, default=0) + 1:03d}-{name}"
            folder.mkdir()
    except OSError as error:
        raise write_error(parent, error) from error
    return folder


def find_round(study_folder: Path | str, name: str) -> JobFolder:
    """Return the round of this name, number or path; raises UserError when there is none."""
    existing = [folder for folder in rounds(study_folder) if folder.exists()]
    for folder in existing:
        if name == folder.name or (name.isdecimal() and int(name) == number_of(folder.path)):
            return folder
    given = JobFolder(name)
    if given.exists():
        return given
    names = ", ".join(folder.name for folder in existing) or "none yet"
    raise UserError(f"The study has no round {name!r}.", f"Its rounds: {names}.")


def number_of(path: Path) -> int:
    """Return the number of a round by its folder."""
    return int(path.name.split("-", 1)[0])

"""study.json on disk: created, loaded, saved and locked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import write_error, write_text_atomically
from .layout import StudyFolder
from .locking import hold_lock
from .model import Modality, Structure, Study, structure_to_dict
from .paths import check_is_text

_CORRECT_FILE = "Correct study.json or restore it from a copy."


def create_study(
    folder: Path | str, name: str, modality: Modality | str, local_site: str, structures: Iterable[Structure]
) -> Study:
    """Make a study without cases in a new or existing folder; raises UserError when there is one or a value is bad."""
    folder = Path(folder).absolute()
    check_is_text(folder)
    if StudyFolder(folder).exists():
        raise UserError(f"There is a study in {folder} already.", "Choose another folder.")
    bare = {"schema_version": 1, "name": name, "modality": str(modality), "local_site": local_site, "cases": []}
    study = Study.from_dict(folder, bare | {"structures": [structure_to_dict(item) for item in structures]})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    save_study(study)
    return study


def load_study(folder: Path | str) -> Study:
    """Read the study in `folder`; raises UserError when it is missing, damaged or newer, and never touches the file."""
    folder = Path(folder).absolute()
    return Study.from_dict(folder, _read_json(StudyFolder(folder).study_file), _CORRECT_FILE)


def save_study(study: Study) -> None:
    """Write study.json atomically; raises UserError, with the old file intact, for bad values or a failing disk."""
    content = study.to_dict()
    Study.from_dict(study.folder, content)
    write_text_atomically(study.layout.study_file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def study_lock(folder: Path | str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock that keeps other processes from changing the study; raises UserError saying who holds it."""
    return hold_lock(StudyFolder(folder).lock_file, "The study")


def _read_json(path: Path) -> Any:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"There is no study in {path.parent}.", "Make one with `study create` or choose its folder."
        ) from error
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror}).", "Check that you may read it.") from error
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path.name} in {path.parent} is damaged and was left as it is.", "Restore it from a copy."
        ) from error

"""An annotation from the scene becomes the case's annotation; the previous one stays as a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...study.cases import stored_path
from ...study.errors import UserError
from ...study.files import write_error
from ...study.model import Role, Study
from .new_cases import free_file


def new_annotation_file(study: Study, case_id: str) -> Path:
    """Return a new file for another annotation of a case; raises UserError when the disk refuses."""
    folder = study.layout.annotations
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return free_file(folder, case_id, ".seg.nrrd")


def with_annotation(study: Study, case_id: str, annotation: Path, structures: tuple[str, ...] | None = None) -> Study:
    """Return the study in which a case is annotated for some structures, None for all; it is not saved.

    The file comes from `saveAnnotation` and is not read again. A case for validation stays one, any other becomes
    labeled. Raises UserError when there is no such case any more.
    """
    if not annotation.is_file():
        raise UserError(f"There is no file {annotation.name}.", "Save the annotation again.")
    case = study.case(case_id)
    role = case.role if case.role is Role.VALIDATION else Role.LABELED
    changed = dataclasses.replace(case, annotation=stored_path(study, annotation), role=role, structures=structures)
    return dataclasses.replace(study, cases=tuple(changed if item.id == case_id else item for item in study.cases))

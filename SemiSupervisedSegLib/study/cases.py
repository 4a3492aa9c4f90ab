"""Changes to the cases of a study: added, assigned, changed and removed, all of them or none.

Every function returns the changed study and saves nothing; the caller holds the study's lock from loading to saving.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import unicodedata
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from .checks import check_case
from .errors import UserError
from .model import CASE_ID, Case, Role, Study
from .partial_annotations import case_structures

_DOUBLE_SUFFIXES = (".nii.gz", ".seg.nrrd", ".img.gz")


def new_case(
    study: Study,
    image: Path | str,
    *,
    site: str,
    role: Role | str,
    annotation: Path | str | None = None,
    case_id: str | None = None,
    structures: str | Iterable[str] | None = None,
) -> Case:
    """Return a case that refers to files where they lie: relative inside the study folder, absolute elsewhere.

    Args:
        study: Study that the case is for; it is not changed.
        image: File, or folder of a DICOM series.
        site: Name of the site that the image comes from.
        role: Use of the case.
        annotation: File of the annotation.
        case_id: Id of the case, by default from the file name.
        structures: Structures that the case is annotated for, as in `case_structures`.

    Raises:
        UserError: The role or a structure is unknown.
    """
    if role not in set(Role):
        raise UserError(f"There is no role {role!r}.", f"Use one of {', '.join(Role)}.")
    return Case(
        id=case_id or default_id(image),
        image=stored_path(study, image),
        site=site,
        role=Role(role),
        annotation=None if annotation is None else stored_path(study, annotation),
        structures=case_structures(study.structures, structures),
    )


def cases_from_pattern(
    study: Study,
    pattern: str,
    *,
    site: str,
    role: Role | str,
    annotations: str | None = None,
    structures: str | Iterable[str] | None = None,
) -> list[Case]:
    """Return a case for each image that matches a pattern such as images/*.nrrd, sorted by path.

    Args:
        study: Study that the cases are for; it is not changed.
        pattern: Pattern, absolute or relative to the working folder.
        site: Name of the site that the images come from.
        role: Use of the cases.
        annotations: Path of the annotations, such as labels/{id}.nrrd, where {id} stands for the id of the case.
        structures: Structures that the cases are annotated for, as in `case_structures`.

    Raises:
        UserError: Nothing matches, or `new_case` refuses a value.
    """
    images = sorted(glob.glob(pattern, recursive=True))
    if not images:
        raise UserError(f"No image matches {pattern}.", "Check the folder and put the pattern into quotes.")
    if annotations is not None and "{id}" not in annotations:
        raise UserError(
            f"The pattern for annotations {annotations} has no {{id}}.", "Write for example labels/{id}.nrrd."
        )
    cases = []
    for image in images:
        case_id = default_id(image)
        annotation = None if annotations is None else annotations.replace("{id}", case_id)
        case = new_case(
            study, image, site=site, role=role, annotation=annotation, case_id=case_id, structures=structures
        )
        cases.append(case)
    return cases


def add_cases(study: Study, cases: Iterable[Case]) -> Study:
    """Check new cases with their files and return the study with them.

    Raises:
        UserError: An id or image occurs twice, a file is missing, damaged or has bad voxels, or an annotation does not
            fit its image and the structures.
    """
    cases = tuple(cases)
    grown = dataclasses.replace(study, cases=study.cases + cases)
    # The cheap checks of ids and paths come before the files are read.
    Study.from_dict(study.folder, grown.to_dict())
    _check_images_once(grown)
    for case in cases:
        check_case(grown, case)
    return grown


def assign_cases(
    study: Study, case_ids: Iterable[str], *, role: Role | str | None = None, site: str | None = None
) -> Study:
    """Return the study with another role or site for these cases; None leaves a value as it is, and no file is read.

    Raises:
        UserError: A case is unknown, or has no annotation and would become labeled or validation.
    """
    ids = _existing_ids(study, case_ids)
    changes: dict[str, Role | str] = {} if role is None else {"role": Role(role)}
    if site is not None:
        changes["site"] = site
    bare = [case.id for case in study.cases if case.id in ids and case.annotation is None]
    if bare and role is not None and Role(role).needs_annotation:
        raise UserError(
            f"{bare[0]} has no annotation" + (f", and {len(bare) - 1} more have none." if len(bare) > 1 else "."),
            f"Annotate it first, then give it the role {Role(role).value}.",
        )
    return _replace(study, ids, **changes)


def change_cases(
    study: Study,
    case_ids: Iterable[str],
    *,
    role: Role | str | None = None,
    site: str | None = None,
    annotation: Path | str | None = None,
    structures: str | Iterable[str] | None = None,
) -> Study:
    """Return the study with another role, site, annotation or annotated structures of these cases, and check them.

    None leaves a value as it is; `structures` as in `case_structures`, where "all" or all names stand for all.

    Raises:
        UserError: There is no such case, or the annotation does not fit its image.
    """
    if all(value is None for value in (role, site, annotation, structures)):
        raise UserError("Nothing was changed.", "Name a new role, site, annotation or structures.")
    ids = _existing_ids(study, case_ids)
    changes: dict[str, object] = {}
    if annotation is not None:
        changes["annotation"] = stored_path(study, annotation)
    if structures is not None:
        changes["structures"] = case_structures(study.structures, structures)
    changed = assign_cases(_replace(study, ids, **changes), ids, role=role, site=site)
    for case in changed.cases:
        if case.id in ids:
            check_case(changed, case)
    return changed


def remove_cases(study: Study, case_ids: Iterable[str]) -> Study:
    """Return the study without these cases, whose files stay; raises UserError for an unknown case."""
    ids = _existing_ids(study, case_ids)
    return dataclasses.replace(study, cases=tuple(case for case in study.cases if case.id not in ids))


def default_id(image: Path | str) -> str:
    """Return the id that a case gets from its file name: letters without accents, a hyphen for what ids cannot have."""
    plain = unicodedata.normalize("NFKD", file_stem(image))
    letters = (letter for letter in plain if not unicodedata.combining(letter))
    case_id = "".join(letter if CASE_ID.fullmatch(f"0{letter}") else " " for letter in letters)
    return "-".join(case_id.split()).lstrip("._-")[:100].rstrip("-") or "case"


def file_stem(image: Path | str) -> str:
    """Return the name of an image file without its suffix, which may be a double one such as .nii.gz."""
    name = Path(image).absolute().name
    suffix = next((double for double in _DOUBLE_SUFFIXES if name.lower().endswith(double)), None)
    if suffix is None:
        suffix = "" if os.path.isdir(image) else Path(name).suffix
    return name[: len(name) - len(suffix)]


def free_id(taken: Container[str], case_id: str) -> str:
    """Return the id, or the next one that is not in `taken` (in lower case): brain, brain-2, brain-3."""
    free, number = case_id, 1
    while free.casefold() in taken:
        number += 1
        free = f"{case_id[:90]}-{number}"
    return free


def stored_path(study: Study, path: Path | str) -> str:
    """Return a path as a study stores it: POSIX, relative to the study folder if it lies inside, else absolute."""
    # Links are kept as they are: data managers replace files by links to places that change.
    absolute, folder = Path(os.path.abspath(path)), Path(os.path.abspath(study.folder))
    return (absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute).as_posix()


def _existing_ids(study: Study, case_ids: Iterable[str]) -> set[str]:
    # `Study.case` raises UserError for an unknown one.
    return {study.case(case_id).id for case_id in case_ids}


def _replace(study: Study, case_ids: set[str], **changes: Any) -> Study:
    cases = (dataclasses.replace(case, **changes) if case.id in case_ids else case for case in study.cases)
    return dataclasses.replace(study, cases=tuple(cases))


def _check_images_once(study: Study) -> None:
    # The same image in training and in validation would make every result look better than it is.
    seen: dict[str, str] = {}
    for case in study.cases:
        if case.image in seen:
            raise UserError(
                f"The cases {seen[case.image]} and {case.id} have the same image {Path(case.image).name}.",
                "Add every image only once.",
            )
        seen[case.image] = case.id

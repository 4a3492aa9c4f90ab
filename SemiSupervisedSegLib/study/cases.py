"""Changes to the cases of a study: added, assigned, changed and removed, all of them or none.

Every function returns the changed study and saves nothing; the caller holds the study's lock from loading to saving.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .checks import read_case
from .duplicates import ImageDigests, same_image
from .errors import UserError
from .model import Case, Role, Study, name_key
from .names import (
    default_id,
    file_stem,
    free_id,
    id_from_name,
    name_for,
    printable_name,
    rename_case,
    titles_of,
    with_name,
)
from .partial_annotations import case_structures
from .paths import check_is_text, existing_spelling, path_from


def new_case(
    study: Study,
    image: Path | str,
    *,
    site: str,
    role: Role | str,
    annotation: Path | str | None = None,
    case_id: str | None = None,
    structures: str | Iterable[str] | None = None,
    name: str | None = None,
) -> Case:
    """Return a case that refers to files where they lie, with paths as in `stored_path`.

    Args:
        study: Study that the case is for; it is not changed.
        image: File, or folder of a DICOM series.
        site: Name of the site that the image comes from.
        role: Use of the case.
        annotation: File of the annotation.
        case_id: Id of the case, by default from the file name.
        structures: Structures that the case is annotated for, as in `case_structures`.
        name: Name to show, by default the file name, or the id where that is given.

    Raises:
        UserError: The role or a structure is unknown.
    """
    key = name_key(role)
    if key not in set(Role):
        raise UserError(f"There is no role {role!r}.", f"Use one of {', '.join(Role)}.")
    case = Case(
        id=case_id or default_id(image),
        image=stored_path(study, image),
        site=_known_site(study, site),
        role=Role(key),
        annotation=None if annotation is None else stored_path(study, annotation),
        structures=case_structures(study.structures, structures),
    )
    if name is None and case_id is None:
        name = name_for(titles_of(study), case.id, file_stem(image))
    return with_name(case, printable_name(name or ""))


def cases_from_images(
    study: Study,
    images: Sequence[Path],
    *,
    site: str,
    role: Role | str,
    annotations: str | None = None,
    structures: str | Iterable[str] | None = None,
) -> list[Case]:
    """Return a case for each image, with an id that no other case has.

    Args:
        study: Study that the cases are for; it is not changed.
        images: Files, or folders of DICOM series.
        site: Name of the site that the images come from.
        role: Use of the cases.
        annotations: Path of the annotations, such as labels/{id}.nrrd, where {id} stands for the name of the image
            without its suffix, or for the id of its case.
        structures: Structures that the cases are annotated for, as in `case_structures`.

    Raises:
        UserError: `annotations` has no {id}, or `new_case` refuses a value.
    """
    if annotations is not None and "{id}" not in annotations:
        raise UserError(
            f"The pattern for annotations {annotations} has no {{id}}.", "Write for example labels/{id}.nrrd."
        )
    names = _distinct_names(images)
    # The annotation of one image may match the pattern of images as well.
    annotation_paths = {image: _annotation_of(annotations, name) for image, name in zip(images, names, strict=True)}
    used = {path for path in annotation_paths.values() if path is not None}
    taken, titles = {case.id.casefold() for case in study.cases}, titles_of(study)
    cases = []
    for image, name in zip(images, names, strict=True):
        if image in used:
            continue
        case_id = free_id(taken, id_from_name(name))
        title = name_for(titles, case_id, name)
        case = new_case(
            study,
            image,
            site=site,
            role=role,
            annotation=annotation_paths[image],
            case_id=case_id,
            name=title,
            structures=structures,
        )
        taken.add(case_id.casefold())
        titles.add(name_key(case.title))
        cases.append(case)
    return cases


def add_cases(study: Study, cases: Iterable[Case], digests: ImageDigests | None = None) -> Study:
    """Check new cases with their files and return the study with them; raises UserError for the first bad one.

    See `add_usable_cases` for the arguments and for what is checked.
    """
    study, failures = add_usable_cases(study, cases, digests)
    if failures:
        raise failures[0]
    return study


def add_usable_cases(
    study: Study, cases: Iterable[Case], digests: ImageDigests | None = None
) -> tuple[Study, list[UserError]]:
    """Check new cases with their files, and return the study with those that can be used and why others cannot.

    A case cannot be used when its id or image is that of another case, a file is missing, damaged or has bad voxels,
    or the annotation does not fit the image and the structures.

    Args:
        study: Study that gets the cases.
        cases: New cases.
        digests: Hashes of the images of the study, where they are kept.
    """
    digests = digests or ImageDigests(study.layout)
    failures = []
    for case in cases:
        try:
            study = _with_case(study, case, digests)
        except UserError as error:
            failures.append(error)
    return study, failures


def _with_case(study: Study, case: Case, digests: ImageDigests) -> Study:
    # The cheap checks of names and paths come before the files are read.
    (case,) = Study.from_dict(study.folder, dataclasses.replace(study, cases=(case,)).to_dict()).cases
    for other in study.cases:
        if other.image == case.image:
            raise same_image(other, case)
        if other.id.casefold() == case.id.casefold():
            raise UserError(f"The case id {case.id} occurs twice in the study.", "Give every case id only once.")
    digests.check_is_new(study, case, read_case(study, case))
    return dataclasses.replace(study, cases=(*study.cases, case))


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
        changes["site"] = _known_site(study, site)
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
    name: str | None = None,
) -> Study:
    """Return the study with another role, site, annotation, annotated structures or name of these cases; check them.

    None leaves a value as it is; `structures` as in `case_structures`, where "all" or all names stand for all.

    Raises:
        UserError: There is no such case, the annotation does not fit its image, or the name cannot be used.
    """
    if all(value is None for value in (role, site, annotation, structures, name)):
        raise UserError("Nothing was changed.", "Name a new role, site, annotation, structures or name.")
    ids = _existing_ids(study, case_ids)
    changes: dict[str, object] = {}
    if annotation is not None:
        changes["annotation"] = stored_path(study, annotation)
    if structures is not None:
        changes["structures"] = case_structures(study.structures, structures)
    changed = assign_cases(_replace(study, ids, **changes), ids, role=role, site=site)
    if name is not None:
        for case_id in ids:
            changed = rename_case(changed, case_id, name)
    for case in changed.cases:
        if case.id in ids:
            read_case(changed, case)
    return changed


def remove_cases(study: Study, case_ids: Iterable[str]) -> Study:
    """Return the study without these cases, whose files stay; raises UserError for an unknown case."""
    ids = _existing_ids(study, case_ids)
    return dataclasses.replace(study, cases=tuple(case for case in study.cases if case.id not in ids))


def stored_path(study: Study, path: Path | str) -> str:
    """Return a path as a study stores it, see `path_from`; raises UserError for a name that is not valid text."""
    path = existing_spelling(path)
    check_is_text(path)
    return path_from(study.folder, path)


def _distinct_names(images: Sequence[Path]) -> list[str]:
    """Return the names of image files, or of their folders where files of one name lie in folders of their own."""
    folders: dict[str, list[str]] = {}
    for image in images:
        folders.setdefault(file_stem(image), []).append(image.absolute().parent.name)
    return [
        image.absolute().parent.name if 1 < len(folders[stem]) == len(set(folders[stem])) else stem
        for image in images
        for stem in [file_stem(image)]
    ]


def _annotation_of(annotations: str | None, name: str) -> Path | None:
    if annotations is None:
        return None
    paths = [existing_spelling(annotations.replace("{id}", text)) for text in (name, id_from_name(name))]
    return next((path for path in paths if path.exists()), paths[0])


def _known_site(study: Study, site: str) -> str:
    """Return a site as the study spells it; another spelling of the local site would make it an external one."""
    spellings = {name_key(name): name for name in (*(case.site for case in study.cases), study.local_site)}
    return spellings.get(name_key(site), site.strip())


def _existing_ids(study: Study, case_ids: Iterable[str]) -> set[str]:
    # `Study.case` raises UserError for an unknown one.
    return {study.case(case_id).id for case_id in case_ids}


def _replace(study: Study, case_ids: set[str], **changes: Any) -> Study:
    cases = (dataclasses.replace(case, **changes) if case.id in case_ids else case for case in study.cases)
    return dataclasses.replace(study, cases=tuple(cases))

"""New cases in a study: all of them or none.

The caller holds the study's lock from loading to saving.
"""

from __future__ import annotations

import csv
import dataclasses
import glob
import io
import os
from collections.abc import Iterable
from pathlib import Path

from .checks import check_case
from .errors import UserError
from .model import CASE_ID, Case, Role, Study
from .partial_annotations import case_structures
from .store import save_study

_DOUBLE_SUFFIXES = (".nii.gz", ".seg.nrrd", ".img.gz")
_COLUMNS = {"image", "site", "role", "annotation", "id", "structures"}
_REQUIRED_COLUMNS = {"image", "site", "role"}


def add_case(
    study: Study,
    image: Path | str,
    *,
    site: str,
    role: Role | str,
    annotation: Path | str | None = None,
    case_id: str | None = None,
    structures: str | Iterable[str] | None = None,
) -> Study:
    """Add one image (a file or a DICOM series folder) to a study and save it; see `add_cases` for paths and errors."""
    kind = {"site": site, "role": role, "structures": structures}
    return add_cases(study, [new_case(study, image, annotation=annotation, case_id=case_id, **kind)])


def add_from_pattern(
    study: Study,
    pattern: str,
    *,
    site: str,
    role: Role | str,
    annotations: str | None = None,
    structures: str | Iterable[str] | None = None,
) -> Study:
    """Add all images that match a pattern such as images/*.nrrd, sorted by path, and save the study.

    The pattern is absolute or relative to the working folder. In `annotations`, such as labels/{id}.nrrd, {id} stands
    for the id of the case. Raises UserError when nothing matches, and as `add_cases`.
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
        kind = {"site": site, "role": role, "structures": structures}
        cases.append(new_case(study, image, annotation=annotation, case_id=case_id, **kind))
    return add_cases(study, cases)


def add_from_table(study: Study, table: Path | str) -> Study:
    """Add the cases of a CSV table and save: columns image, site, role, and optionally annotation, id and structures.

    Paths in the table are absolute or relative to the table's folder. Raises UserError, naming the line, for a table
    that cannot be read, and as `add_cases`.
    """
    table = Path(table)
    cases = []
    for line, row in _rows(table):
        image, annotation = (table.parent / row[key] if row.get(key) else None for key in ("image", "annotation"))
        if image is None:
            raise UserError(f"Line {line} of {table.name} names no image.", "Fill in the column image.")
        try:
            case = new_case(
                study,
                image,
                site=row["site"],
                role=row["role"],
                annotation=annotation,
                case_id=row.get("id") or None,
                structures=row.get("structures"),
            )
        except UserError as error:
            raise UserError(f"Line {line} of {table.name}: {error.message}", error.advice) from error
        cases.append(case)
    return add_cases(study, cases)


def add_cases(study: Study, cases: Iterable[Case]) -> Study:
    """Check new cases, save the study with them, and return it; with any bad case nothing is saved.

    Raises UserError for ids that occur twice, files that are missing, damaged or have bad voxels, and annotations that
    do not fit their image and the structures.
    """
    cases = tuple(cases)
    grown = dataclasses.replace(study, cases=study.cases + cases)
    # The cheap checks of ids and paths come before the files are read.
    Study.from_dict(study.folder, grown.to_dict())
    _check_images_once(grown)
    for case in cases:
        check_case(grown, case)
    save_study(grown)
    return grown


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
    """A case that refers to files where they lie: relative inside the study folder, absolute elsewhere.

    The id comes from the file name unless it is given; `structures` as in `partial.case_structures`. Raises UserError
    for an unknown role or structure.
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


def default_id(image: Path | str) -> str:
    """The id a case gets from its file name: no suffix, and a hyphen for what ids cannot have."""
    name = Path(image).absolute().name
    suffix = next((double for double in _DOUBLE_SUFFIXES if name.lower().endswith(double)), None)
    if suffix is None:
        suffix = "" if os.path.isdir(image) else Path(name).suffix
    stem = name[: len(name) - len(suffix)]
    case_id = "".join(letter if CASE_ID.fullmatch(f"0{letter}") else "-" for letter in stem)
    return case_id.lstrip("._-")[:100] or "case"


def stored_path(study: Study, path: Path | str) -> str:
    """How a study keeps a path: POSIX, relative to the study folder if it lies inside, else absolute."""
    # Links are kept as they are: data managers replace files by links to places that change.
    absolute, folder = Path(os.path.abspath(path)), Path(os.path.abspath(study.folder))
    return (absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute).as_posix()


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table with their line numbers."""
    try:
        # Spreadsheets put a byte order mark in front.
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The table {table.name} could not be read.", "Save it as CSV in UTF-8.") from error
    first_line = text.partition("\n")[0]
    # Where the comma is the decimal point, spreadsheets separate by semicolons.
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = {name.strip().lower() for name in reader.fieldnames or ()}
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UserError(f"The table {table.name} is damaged ({error}).", "Save it again as CSV.") from error
    missing, unknown = _REQUIRED_COLUMNS - columns, columns - _COLUMNS
    if missing or unknown:
        what = f"lacks the column {min(missing)}" if missing else f"has the unknown column {min(unknown)!r}"
        raise UserError(
            f"The table {table.name} {what}.", "The columns are image, site, role, annotation, id and structures."
        )
    return [(line, _clean(table, line, row)) for line, row in rows]


def _clean(table: Path, line: int, row: dict[str | None, str | None]) -> dict[str, str]:
    if None in row or None in row.values():
        raise UserError(f"Line {line} of {table.name} has more or fewer values than columns.", "Correct the line.")
    return {key.strip().lower(): value.strip() for key, value in row.items()}

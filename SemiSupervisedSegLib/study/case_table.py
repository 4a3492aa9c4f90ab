"""Cases from a CSV table, as spreadsheets save it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from .cases import new_case
from .errors import UserError
from .model import Case, Study

_COLUMNS = {"image", "site", "role", "annotation", "id", "structures"}
_REQUIRED_COLUMNS = {"image", "site", "role"}


def cases_from_table(study: Study, table: Path | str) -> list[Case]:
    """Return the cases of a CSV table with the columns image, site, role, and optionally annotation, id, structures.

    Paths in the table are absolute or relative to the table's folder. Raises UserError, naming the line, for a table
    that cannot be read.
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
    return cases


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their line numbers."""
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


def _clean(table: Path, line: int, row: dict[str, str]) -> dict[str, str]:
    # DictReader collects surplus values under None and gives None for missing ones.
    if None in row or None in row.values():
        raise UserError(f"Line {line} of {table.name} has more or fewer values than columns.", "Correct the line.")
    return {key.strip().lower(): value.strip() for key, value in row.items()}

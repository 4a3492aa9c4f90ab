"""Cases from a CSV table, as spreadsheets save it."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from .cases import new_case
from .errors import UserError
from .model import Case, Study
from .paths import existing_spelling

_COLUMNS = {"image", "site", "role", "annotation", "id", "structures", "name"}
_REQUIRED_COLUMNS = {"image", "site", "role"}


def cases_from_table(study: Study, table: Path | str) -> list[Case]:
    """Return the cases of a CSV table: columns image, site, role, and optionally annotation, id, structures and name.

    Columns are separated by commas, semicolons or tabs, capital letters and blanks at the ends do not matter, and
    empty lines are left out. Paths in the table are absolute or relative to the table's folder.

    Raises:
        UserError: The table or a line of it cannot be used; the message names the line.
    """
    table = Path(table)
    cases = []
    for line, row in _rows(table):
        where = f"Line {line} of {table.name}"
        for column in sorted(_REQUIRED_COLUMNS):
            if not row.get(column):
                raise UserError(f"{where} names no {column}.", f"Fill in the column {column}.")
        image, annotation = (_path_in(table.parent, row.get(column)) for column in ("image", "annotation"))
        try:
            case = new_case(
                study,
                image or table.parent,
                site=row["site"],
                role=row["role"],
                annotation=annotation,
                case_id=row.get("id") or None,
                structures=row.get("structures"),
                name=row.get("name") or None,
            )
        except UserError as error:
            raise UserError(f"{where}: {error.message}", error.advice) from error
        cases.append(case)
    return cases


def _path_in(folder: Path, text: str | None) -> Path | None:
    if not text:
        return None
    path = existing_spelling(folder / text)
    # As Windows writes folders, read elsewhere.
    return path if path.exists() or os.name == "nt" else existing_spelling(folder / text.replace("\\", "/"))


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table that are not empty, by column, with their line numbers."""
    text = _text(table)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        lines = [(reader.line_num, [value.strip() for value in row]) for row in reader]
    except csv.Error as error:
        raise UserError(f"The table {table.name} is damaged ({error}).", "Save it again as CSV.") from error
    lines = [(number, row) for number, row in lines if any(row)]
    # Spreadsheets tell each other the separator in a line of its own.
    if lines and lines[0][1][0].lower().startswith("sep="):
        lines = lines[1:]
    columns = [name.casefold() for name in lines[0][1]] if lines else []
    _check_columns(table, columns)
    if len(lines) < 2:
        raise UserError(f"The table {table.name} has no case.", "Write a line for each case below the columns.")
    return [(number, _by_column(table, number, columns, row)) for number, row in lines[1:]]


def _text(table: Path) -> str:
    try:
        raw = table.read_bytes()
    except OSError as error:
        raise UserError(f"The table {table.name} could not be read.", "Check its path.") from error
    if raw.startswith(b"PK"):
        raise UserError(f"The table {table.name} is no CSV file.", "Save it as CSV in the spreadsheet program.")
    encodings = ("utf-16",) if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(f"The table {table.name} could not be read.", "Save it as CSV in UTF-8.")


def _delimiter(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.lower().startswith("sep=")]
    first = lines[0] if lines else ""
    return max(",;\t", key=first.count)


def _check_columns(table: Path, columns: list[str]) -> None:
    named = [column for column in columns if column]
    missing, unknown = _REQUIRED_COLUMNS - set(named), set(named) - _COLUMNS
    twice = [column for column in named if named.count(column) > 1]
    if missing or unknown or twice:
        what = (
            f"lacks the column {min(missing)}"
            if missing
            else (f"has the unknown column {min(unknown)!r}" if unknown else f"has the column {twice[0]} twice")
        )
        raise UserError(
            f"The table {table.name} {what}.", "The columns are image, site, role, annotation, id, structures and name."
        )


def _by_column(table: Path, line: int, columns: list[str], row: list[str]) -> dict[str, str]:
    if any(row[len(columns) :]) or any(value and not column for column, value in zip(columns, row, strict=False)):
        raise UserError(f"Line {line} of {table.name} has more values than columns.", "Correct the line.")
    return {column: value for column, value in zip(columns, row, strict=False) if column}

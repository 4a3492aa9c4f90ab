"""The figures of a benchmark as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path


def write_rows(folder: Path | None, name: str, rows: Iterable[Iterable[object]]) -> None:
    """Write the rows, the first being the names of the columns, as a file of a folder; None for no file."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)

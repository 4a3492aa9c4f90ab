"""Published results as facts: a row of published.csv is one set of numbers, Dice and Jaccard in %, distances in voxels.

Columns: paper, table, dataset, setting, method, labeled, unlabeled, external, dice, jaccard, hd95, asd.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from SemiSupervisedSegLib.study.errors import UserError

from .data_sets import data_set
from .metric_names import METRICS
from .protocol_model import MethodRow, PublishedRows

FILE = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class PublishedNumber:
    """A published mean over cases, and the paper and table it is from."""

    value: float
    source: str


@cache
def published_rows() -> tuple[dict[str, str], ...]:
    """All rows of published.csv."""
    with open(FILE, encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def published_number(wanted: PublishedRows | None, row: MethodRow, labeled: int, metric: str) -> PublishedNumber | None:
    """The published number beside a cell, from the first wanted table that has one; None where there is none."""
    column = METRICS[metric].published
    if wanted is None or not row.published or not column:
        return None
    for table in wanted.tables:
        for entry in published_rows():
            if table_of(entry) == table and _is_of(entry, wanted, row, labeled) and entry[column]:
                return PublishedNumber(float(entry[column]), table)
    return None


def table_of(entry: Mapping[str, str]) -> str:
    """The paper and table of an entry."""
    return f"{entry['paper']} {entry['table']}"


def _is_of(entry: Mapping[str, str], wanted: PublishedRows, row: MethodRow, labeled: int) -> bool:
    # Of several sets together the label count is that of all, and their tables have one for each set.
    dataset, count = (data_set(row.scored).published, None) if row.scored else (wanted.dataset, str(labeled))
    return (
        (entry["dataset"], entry["method"]) == (dataset, row.published)
        and count in (None, entry["labeled"])
        and (not row.unlabeled or entry["unlabeled"] == str(row.unlabeled))
    )


def check_published(wanted: PublishedRows, rows: tuple[MethodRow, ...]) -> None:
    """Raise UserError when a wanted table or method is not in published.csv, as after a slip of the pen."""
    names = {wanted.dataset, *(data_set(row.scored).published for row in rows if row.scored)}
    entries = [entry for entry in published_rows() if entry["dataset"] in names]
    tables = {table_of(entry) for entry in entries}
    methods = {entry["method"] for entry in entries}
    unknown = [name for name in wanted.tables if name not in tables]
    unknown += [row.published for row in rows if row.published and row.published not in methods]
    if unknown or not entries:
        what = repr(unknown[0]) if unknown else f"data set {wanted.dataset!r}"
        raise UserError(f"{FILE.name} has no {what} for {wanted.dataset}.", "Correct the protocol.")

"""What every benchmark of this folder prints: the machine, figures as CSV files, and targets that are met or not."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..machine import describe_machine

TARGETS = "targets.csv"


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--quick", action="store_true", help="a short form of a few minutes")
    made.add_argument("--tiny", action="store_true", help="only see that it runs")
    made.add_argument("--output", type=Path, help="folder for the figures as CSV")
    return made


@dataclass(frozen=True)
class Target:
    """Something that should hold, in words: what, what it should be and what it was."""

    benchmark: str
    what: str
    target: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'}  {self.what}: {self.measured} (target {self.target})"


@dataclass
class Report:
    """The figures of one benchmark; prints targets as they come, and the machine at the beginning.

    Attributes:
        name: of the benchmark and its CSV file.
        folder: for CSV files, None for none.
    """

    name: str
    folder: Path | None
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def __post_init__(self) -> None:
        print(describe_machine(), flush=True)

    def add(self, **figures: Any) -> None:
        """Keep a row of the CSV file."""
        self.rows.append(figures)

    def judge(self, what: str, target: str, measured: str, met: bool) -> None:
        """Keep a target and print it."""
        self.targets.append(Target(self.name, what, target, measured, met))
        print(f"  {self.targets[-1]}", flush=True)

    def write(self) -> None:
        """Write NAME.csv, and add to targets.csv."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_csv(self.folder / f"{self.name}.csv", self.rows)
        others = [row for row in read_csv(self.folder / TARGETS) if row["benchmark"] != self.name]
        write_csv(self.folder / TARGETS, [*others, *map(asdict, self.targets)])


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows with the columns of all of them, floats with five digits; nothing for no rows."""
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if columns:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)


def _plain(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read rows; none if there is no file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))

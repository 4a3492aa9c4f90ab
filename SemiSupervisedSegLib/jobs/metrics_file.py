"""Scores as metrics.csv: one row for each case, structure and kind of prediction."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..study.errors import UserError
from ..study.files import write_text_atomically
from ..study.model import Role
from .spec import JobCase, JobSpec
from .structure_score import StructureScore

COLUMNS = tuple(field.name for field in fields(StructureScore))
_TEXT = ("case", "structure", "kind")
_FLAGS = ("empty_prediction", "empty_annotation")
_FLAG_VALUES = {"True": True, "False": False}


def write_metrics(path: Path | str, scores: Iterable[StructureScore]) -> None:
    """Write scores as CSV in UTF-8, with the names of the columns in the first row and units in the names.

    Raises:
        UserError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for score in scores:
        writer.writerow(
            {name: f"{value:.6g}" if type(value) is float else value for name, value in asdict(score).items()}
        )
    write_text_atomically(path, text.getvalue())


def read_metrics(path: Path | str) -> list[StructureScore]:
    """Read what `write_metrics` wrote.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise ValueError("other columns")
            return [_score(row) for row in rows]
    except FileNotFoundError as error:
        raise UserError("This round has no metrics yet.", "Run the command evaluate on it first.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{Path(path).name} cannot be read.", "Run the command evaluate again.") from error


def _score(row: dict[str, str]) -> StructureScore:
    values: dict[str, Any] = {name: row[name] for name in _TEXT}
    values |= {name: _FLAG_VALUES[row[name]] for name in _FLAGS}
    values |= {name: float(row[name]) for name in COLUMNS if name not in values}
    return StructureScore(**values)


def measurable(scores: Iterable[StructureScore]) -> list[StructureScore]:
    """Return the scores of the structures that at least one of the annotations shows.

    Of any other structure all scores say is that nothing was expected; finding nothing must not raise a mean.
    """
    scores = list(scores)
    shown = {score.structure for score in scores if not score.empty_annotation}
    return [score for score in scores if score.structure in shown]


def scored_as(spec: JobSpec, case: JobCase) -> Role:
    """Return the role as which a case of a job is scored: those of a job that only predicts are for validation."""
    return Role.VALIDATION if spec.kind == "predict" else case.role


def case_means(scores: Sequence[StructureScore], metric: str) -> dict[str, float]:
    """Average a metric over the structures of each case, by case id in the order of the scores."""
    values: dict[str, list[float]] = {}
    for score in scores:
        values.setdefault(score.case, []).append(getattr(score, metric))
    return {case: sum(numbers) / len(numbers) for case, numbers in values.items()}

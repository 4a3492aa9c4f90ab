"""The table of a comparison, from the scores that its trainings have written; free of PyTorch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ...jobs.comparison import Comparison, ComparisonSpec, Training, training_title
from ...jobs.comparison_table import ComparisonTable, MethodScores
from ...jobs.events import working_seconds
from ...jobs.folder import JobFolder
from ...jobs.metrics_file import case_means, measurable, read_metrics
from ...jobs.structure_score import StructureScore
from ...study.errors import UserError
from .compare import compare_paired, mean_interval

_Group = tuple[str, int | None]
"""A method and its number of labeled cases, which make a row of the table."""


@dataclass(frozen=True)
class _Finished:
    scores: tuple[StructureScore, ...]
    seconds: float


def make_table(comparison: Comparison, reference: str = "") -> ComparisonTable:
    """Score all methods of a comparison as far as they are trained.

    Args:
        comparison: Comparison.
        reference: Id of the method that the others are tested against; empty for the best one.

    Raises:
        UserError: Comparison.json or the scores of a finished training cannot be read, or the reference is not
            compared.
    """
    spec = comparison.request()
    if reference and reference not in spec.methods:
        raise UserError(f"The method {reference} is not compared.", f"Choose one of: {', '.join(spec.methods)}.")
    groups: dict[_Group, list[Training]] = defaultdict(list)
    for training in comparison.trainings_of(spec):
        groups[training.method, training.labels].append(training)
    done = {key: [_read(training.folder) for training in group] for key, group in groups.items()}
    dice = {key: _dice_of_cases(group, done[key]) for key, group in groups.items()}
    rows = {key: _row(spec, group, done[key], dice[key]) for key, group in groups.items()}
    best = ""
    for labels in spec.label_groups:
        best = _test(rows, dice, labels, reference)
    return ComparisonTable(tuple(rows.values()), best, reference)


def _read(folder: JobFolder) -> _Finished | None:
    """Return what a training has achieved, None for one that is not finished."""
    try:
        return _read_once(folder.path, folder.result_file.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


# A table is made whenever one of many trainings has ended, and those that are finished do not change.
@lru_cache(maxsize=8192)
def _read_once(path: Path, written_at: int) -> _Finished | None:
    folder = JobFolder(path)
    if not folder.is_finished():
        return None
    scores = tuple(score for score in read_metrics(folder.metrics) if score.kind == "final")
    return _Finished(scores, working_seconds(folder.events()[0]))


def _dice_of_cases(trainings: Sequence[Training], done: Sequence[_Finished | None]) -> dict[str, float]:
    """Return the mean Dice over structures, and over seeds, of each case that was held out of a finished training."""
    values: dict[str, list[float]] = defaultdict(list)
    for seed in dict.fromkeys(training.seed for training in trainings):
        of_seed = [found for training, found in zip(trainings, done, strict=True) if found and training.seed == seed]
        # Which structures the annotations show is known from all folds together.
        scores = measurable(score for found in of_seed for score in found.scores)
        for case, dice in case_means(scores, "dice").items():
            values[case].append(dice)
    return {case: sum(numbers) / len(numbers) for case, numbers in values.items()}


def _row(
    spec: ComparisonSpec, trainings: Sequence[Training], done: Sequence[_Finished | None], dice: Mapping[str, float]
) -> MethodScores:
    finished = [found for found in done if found]
    left = [training for training, found in zip(trainings, done, strict=True) if not found]
    problems = {training_title(spec, training): _problem(training.folder) for training in left}
    failed = {title: problem for title, problem in problems.items() if problem}
    row = MethodScores(
        trainings[0].method,
        len(trainings),
        len(finished),
        len(dice),
        problem=next(iter(failed.values()), ""),
        labels=trainings[0].labels,
        missing=tuple(failed),
    )
    if finished:
        row = replace(row, seconds=sum(found.seconds for found in finished) / len(finished))
    if not dice:
        return row
    values = list(dice.values())
    low, high = mean_interval(values, 0.0, 1.0) or (None, None)
    return replace(row, mean_dice=sum(values) / len(values), low=low, high=high)


def _test(
    rows: dict[_Group, MethodScores], dice: Mapping[_Group, Mapping[str, float]], labels: int | None, reference: str
) -> str:
    """Test the methods with one number of labeled cases that have ended, and return the best of them."""
    ended = [row for row in rows.values() if row.labels == labels and row.has_ended]
    if len(ended) < 2:
        return ""
    most = max(row.cases for row in ended)
    # The mean over some of the cases only says nothing beside the mean over all of them.
    best = max((row for row in ended if row.is_complete or row.cases == most), key=lambda row: row.mean_dice or 0.0)
    against = reference or best.method
    is_tested = against in [row.method for row in ended]
    for row in ended:
        if is_tested and row.method != against:
            row = _against(row, dice[against, labels], dice[row.method, labels])
        rows[row.method, labels] = replace(row, is_best=row.method == best.method)
    return best.method


def _against(row: MethodScores, reference: Mapping[str, float], own: Mapping[str, float]) -> MethodScores:
    # A failed case of one method is compared for none.
    order = sorted(reference.keys() & own.keys())
    if not order:
        return row
    result = compare_paired([reference[case] for case in order], [own[case] for case in order])
    return replace(
        row,
        difference=result.difference,
        difference_low=result.low,
        difference_high=result.high,
        p_value=result.wilcoxon_p if len(order) > 1 else None,
    )


def _problem(folder: JobFolder) -> str:
    status = folder.status()
    return (status.message or "It failed.") if status.state == "failed" else ""

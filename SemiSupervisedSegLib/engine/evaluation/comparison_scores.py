"""The table of a comparison, from the scores that its trainings have written; free of PyTorch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...jobs.comparison import Comparison, Training
from ...jobs.comparison_table import ComparisonTable, MethodScores
from ...jobs.events import working_seconds
from ...jobs.metrics_file import case_means, measurable, read_metrics
from .compare import compare_paired, mean_interval


def make_table(comparison: Comparison) -> ComparisonTable:
    """Score all methods of a comparison as far as they are trained.

    Raises:
        UserError: Comparison.json or the scores of a finished training cannot be read.
    """
    groups: dict[str, list[Training]] = defaultdict(list)
    for training in comparison.trainings():
        groups[training.method].append(training)
    dice = {method: _dice_of_cases(group) for method, group in groups.items()}
    rows = {method: _row(method, group, dice[method]) for method, group in groups.items()}
    complete = [row for row in rows.values() if row.is_complete]
    if len(complete) < 2:
        return ComparisonTable(tuple(rows.values()))
    best = max(complete, key=lambda row: row.mean_dice or 0.0).method
    for row in complete:
        if row.method != best:
            rows[row.method] = _against(row, dice[best], dice[row.method])
    return ComparisonTable(tuple(rows.values()), best)


def _dice_of_cases(trainings: Sequence[Training]) -> dict[str, float]:
    """Return the mean Dice over structures, and over seeds, of each case that was held out of a finished training."""
    values: dict[str, list[float]] = defaultdict(list)
    for seed in dict.fromkeys(training.seed for training in trainings):
        folders = [item.folder for item in trainings if item.seed == seed and item.folder.is_finished()]
        scores = [score for folder in folders for score in read_metrics(folder.metrics) if score.kind == "final"]
        # Which structures the annotations show is known from all folds together.
        for case, dice in case_means(measurable(scores), "dice").items():
            values[case].append(dice)
    return {case: sum(numbers) / len(numbers) for case, numbers in values.items()}


def _row(method: str, trainings: Sequence[Training], dice: Mapping[str, float]) -> MethodScores:
    finished = [training.folder for training in trainings if training.folder.is_finished()]
    row = MethodScores(method, len(trainings), len(finished), len(dice), problem=_first_problem(trainings))
    if finished:
        seconds = [working_seconds(folder.events()[0]) for folder in finished]
        row = replace(row, seconds=sum(seconds) / len(seconds))
    if not dice:
        return row
    values = list(dice.values())
    low, high = mean_interval(values, 0.0, 1.0) or (None, None)
    return replace(row, mean_dice=sum(values) / len(values), low=low, high=high)


def _against(row: MethodScores, best: Mapping[str, float], own: Mapping[str, float]) -> MethodScores:
    # A failed case of one method is compared for none.
    order = sorted(best.keys() & own.keys())
    if not order:
        return row
    result = compare_paired([best[case] for case in order], [own[case] for case in order])
    return replace(
        row,
        difference=result.difference,
        difference_low=result.low,
        difference_high=result.high,
        p_value=result.wilcoxon_p if len(order) > 1 else None,
    )


def _first_problem(trainings: Sequence[Training]) -> str:
    for training in trainings:
        status = training.folder.status()
        if status.state == "failed" and not training.folder.is_finished():
            return status.message
    return ""

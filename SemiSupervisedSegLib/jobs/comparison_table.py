"""The table of a comparison: scores of each method on the same held-out cases, and what they allow to say."""

from __future__ import annotations

from dataclasses import dataclass

from .catalogue import load_catalogue
from .event_text import format_duration

TITLES = ("Method", "Trained", "Dice [95 % interval]", "To the best [95 % interval]", "p (Wilcoxon)", "Time each")
SHORT_TITLES = ("Method", "Dice", "95 %", "p", "Time")
"""Titles of the table in the panel, which is narrow."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class MethodScores:
    """The scores of one method so far; None stands for what is not known yet.

    Attributes:
        method: Id of the method in the catalogue.
        trainings: Number of its trainings.
        finished: Number of those that are done.
        cases: Number of cases that were scored, each by a training that did not learn from it.
        mean_dice: Mean over these cases of the final segmentation's Dice, 0 to 1.
        low: Lower end of the 95 % t interval of that mean over cases.
        high: Upper end of that interval.
        difference: Mean difference of this method to the best one, on the same cases; None for the best one.
        difference_low: Lower end of the 95 % bootstrap interval of the difference.
        difference_high: Upper end of that interval.
        p_value: P-value of the paired two-sided Wilcoxon signed-rank test against the best method.
        seconds: Mean time of a training in seconds, with the segmentation and scoring of its held-out cases.
        problem: What is wrong with the first training that failed, empty when none did.
    """

    method: str
    trainings: int
    finished: int
    cases: int = 0
    mean_dice: float | None = None
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    seconds: float | None = None
    problem: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether all trainings of the method are done and scored."""
        return self.finished == self.trainings and self.mean_dice is not None


@dataclass(frozen=True)
class ComparisonTable:
    """The scores of all methods; `best` is the id of the best among the complete ones, empty before there are two."""

    methods: tuple[MethodScores, ...]
    best: str = ""


def cells(row: MethodScores, best: str) -> tuple[str, ...]:
    """Return a row of the table as text, one cell for each of `TITLES`."""
    difference = _with_interval("{:+.3f}", row.difference, row.difference_low, row.difference_high)
    return (
        load_catalogue().method(row.method).title,
        f"{row.finished} of {row.trainings}",
        _with_interval("{:.3f}", row.mean_dice, row.low, row.high),
        "best" if row.method == best else difference,
        "" if row.p_value is None else f"{row.p_value:.2g}",
        "" if row.seconds is None else format_duration(row.seconds),
    )


def short_cells(row: MethodScores) -> tuple[str, ...]:
    """Return a row of the table as short text, one cell for each of `SHORT_TITLES`.

    Until all trainings of the method are done, their number stands in place of what is not known yet.
    """
    known = row.mean_dice is not None
    return (
        load_catalogue().method(row.method).title,
        f"{row.mean_dice:.2f}" if known else "",
        f"{row.low:.2f}–{row.high:.2f}"
        if row.is_complete and row.low is not None
        else f"{row.finished} of {row.trainings}",
        "" if row.p_value is None else f"{row.p_value:.2g}",
        "" if row.seconds is None else _short_duration(row.seconds),
    )


def remark(table: ComparisonTable) -> str:
    """Return what the table allows to say in a sentence or two, empty before there is a best method."""
    best = next((row for row in table.methods if row.method == table.best), None)
    if best is None:
        return ""
    titles = {row.method: load_catalogue().method(row.method).title for row in table.methods}
    text = f"{titles[best.method]} has the highest mean Dice."
    smallest = 2 / 2**best.cases
    if smallest >= SIGNIFICANT:
        return f"{text} With {best.cases} images the test cannot show a difference: its smallest p is {smallest:.2g}."
    doubtful = [row for row in table.methods if row.p_value is not None and row.p_value >= SIGNIFICANT]
    if doubtful:
        text += f" Chance can explain its lead over {', '.join(titles[row.method] for row in doubtful)}."
    return text


def _short_duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _with_interval(form: str, value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    if low is None or high is None:
        return form.format(value)
    return f"{form.format(value)} [{form.format(low)}, {form.format(high)}]"

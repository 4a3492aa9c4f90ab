"""The table of a comparison: scores of each method on the same held-out cases, and what they allow to say."""

from __future__ import annotations

from dataclasses import dataclass

from .catalogue import load_catalogue
from .event_text import format_duration

_DIFFERENCE = "To the best [95 % interval]"
TITLES = ("Method", "Trained", "Dice [95 % interval]", _DIFFERENCE, "p (Wilcoxon)", "Time each")
SHORT_TITLES = ("Method", "Dice", "95 %", "p", "Time")
"""Titles of the table in the panel, which is narrow."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class MethodScores:
    """The scores of one method with one number of labeled cases so far; None stands for what is not known yet.

    Attributes:
        method: Id of the method in the catalogue.
        trainings: Number of its trainings.
        finished: Number of those that are done.
        cases: Number of cases that were scored, each by a training that did not learn from it.
        mean_dice: Mean over these cases of the final segmentation's Dice, 0 to 1.
        low: Lower end of the 95 % t interval of that mean over cases.
        high: Upper end of that interval.
        difference: Mean difference of this method to the reference, on the same cases; None for the reference.
        difference_low: Lower end of the 95 % bootstrap interval of the difference.
        difference_high: Upper end of that interval.
        p_value: P-value of the paired two-sided Wilcoxon signed-rank test against the reference, over cases.
        seconds: Mean time of a training in seconds, with the segmentation and scoring of its held-out cases.
        problem: What is wrong with the first training that failed, empty when none did.
        labels: Number of labeled cases of each training, None for all.
        missing: Names of the trainings that failed, as `jobs.comparison.training_title` gives them.
        is_best: Whether it is the best with this number of labeled cases.
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
    labels: int | None = None
    missing: tuple[str, ...] = ()
    is_best: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all trainings of the method are done and scored."""
        return self.finished == self.trainings and self.mean_dice is not None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is expected: the trainings are done or have failed, and something is scored."""
        return self.finished + len(self.missing) == self.trainings and self.mean_dice is not None


@dataclass(frozen=True)
class ComparisonTable:
    """The scores of all methods.

    Attributes:
        methods: A row for each method, and each number of labeled cases.
        best: Id of the best method with most labeled cases, among those that have ended; empty before there are two.
        reference: Id of the method that the others are tested against, empty for the best of each number of labels.
    """

    methods: tuple[MethodScores, ...]
    best: str = ""
    reference: str = ""


def row_title(row: MethodScores) -> str:
    """Return the title of the method, and the number of labeled cases where there are several."""
    title = load_catalogue().method(row.method).title
    return title if row.labels is None else f"{title}, {row.labels} labeled"


def titles(table: ComparisonTable) -> tuple[str, ...]:
    """Return the titles of the columns, one for each of `cells`."""
    if not table.reference:
        return TITLES
    reference = load_catalogue().method(table.reference).title
    return tuple(f"To {reference} [95 % interval]" if title == _DIFFERENCE else title for title in TITLES)


def cells(row: MethodScores, table: ComparisonTable) -> tuple[str, ...]:
    """Return a row of the table as text, one cell for each of `TITLES`."""
    difference = _with_interval("{:+.3f}", row.difference, row.difference_low, row.difference_high)
    is_reference = row.method == table.reference if table.reference else _is_best(row, table)
    return (
        row_title(row),
        f"{row.finished} of {row.trainings}",
        _with_interval("{:.3f}", row.mean_dice, row.low, row.high),
        ("reference" if table.reference else "best") if is_reference else difference,
        "" if row.p_value is None else f"{row.p_value:.2g}",
        "" if row.seconds is None else format_duration(row.seconds),
    )


def short_cells(row: MethodScores) -> tuple[str, ...]:
    """Return a row of the table as short text, one cell for each of `SHORT_TITLES`.

    Until all trainings of the method are done, their number stands in place of what is not known yet.
    """
    known = row.mean_dice is not None
    return (
        row_title(row),
        f"{row.mean_dice:.2f}" if known else "",
        f"{row.low:.2f}–{row.high:.2f}"
        if row.is_complete and row.low is not None
        else f"{row.finished} of {row.trainings}",
        "" if row.p_value is None else f"{row.p_value:.2g}",
        "" if row.seconds is None else _short_duration(row.seconds),
    )


def remark(table: ComparisonTable) -> str:
    """Return what the table allows to say, and which trainings are missing; empty before there is anything to say."""
    return " ".join(filter(None, (_about_best(table), _about_missing(table))))


def _about_best(table: ComparisonTable) -> str:
    best = next((row for row in reversed(table.methods) if _is_best(row, table) and row.method == table.best), None)
    if best is None:
        return ""
    text = f"{row_title(best)} has the highest mean Dice."
    smallest = 2 / 2**best.cases
    if smallest >= SIGNIFICANT:
        return f"{text} With {best.cases} images the test cannot show a difference: its smallest p is {smallest:.2g}."
    doubtful = [row_title(row) for row in table.methods if row.p_value is not None and row.p_value >= SIGNIFICANT]
    if not doubtful:
        return text
    if table.reference:
        reference = load_catalogue().method(table.reference).title
        return f"{text} Chance can explain the difference to {reference} of {', '.join(doubtful)}."
    lead = "its lead" if best.labels is None else "the lead of the best method"
    return f"{text} Chance can explain {lead} over {', '.join(doubtful)}."


def _is_best(row: MethodScores, table: ComparisonTable) -> bool:
    # Tables of older programs have no numbers of labeled cases and name the best only.
    return row.is_best or (row.labels is None and row.method == table.best)


def _about_missing(table: ComparisonTable) -> str:
    missing = [f"{row_title(row)} ({'; '.join(row.missing)})" for row in table.methods if row.missing]
    if not missing:
        return ""
    problem = next(row.problem for row in table.methods if row.missing)
    return f"Missing, because they failed: {', '.join(missing)}. {problem}"


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

"""Which segmented cases need review most, from the summaries beside a round's predictions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence

from ...jobs.results import CaseSummary


def ranked(summaries: Sequence[CaseSummary], annotated: Collection[str] = ()) -> list[CaseSummary]:
    """Sort cases by how urgently they need review.

    Cases without annotation come first, as looking at them brings the most. Then come those in which nothing was
    found, because nothing cannot be uncertain. The others follow by the mean of their places in disagreement and in
    uncertainty, whose scales are not comparable.

    Args:
        summaries: Summaries of the predictions of a round.
        annotated: Ids of the cases that had an annotation when the round was started.
    """
    disagreements = sorted(summary.disagreement for summary in summaries)
    uncertainties = sorted(summary.mean_uncertainty for summary in summaries)

    def key(summary: CaseSummary) -> tuple[bool, bool, float, str]:
        attention = _place(disagreements, summary.disagreement) + _place(uncertainties, summary.mean_uncertainty)
        return summary.case in annotated, not summary.is_empty(), -attention, summary.case

    return sorted(summaries, key=key)


def next_to_review(order: Sequence[str], current: str | None, done: Collection[str]) -> str | None:
    """Return the first case of a ranked list that is neither done nor the current one, None when all are."""
    return next((case_id for case_id in order if case_id not in done and case_id != current), None)


def neighbour(order: Sequence[str], current: str | None, step: int) -> str | None:
    """Return the case `step` places after `current`, None beyond the ends; the first when none is displayed."""
    if current not in order:
        return order[0] if order else None
    place = order.index(current) + step
    return order[place] if 0 <= place < len(order) else None


def _place(ordered: Sequence[float], value: float) -> float:
    # Equal values share the mean of their places.
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / 2

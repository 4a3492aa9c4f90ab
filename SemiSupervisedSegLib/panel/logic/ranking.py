"""Which segmented cases need a look most, from the summaries that a round leaves beside its predictions."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...jobs.folder import JobFolder

SUMMARY = "summary.json"


@dataclass(frozen=True)
class CaseSummary:
    """What a round says about one case; structures by name.

    Attributes:
        case_id: of the case.
        final_ml: volume of each structure in the final prediction, in mL.
        prototype_ml: the same of the prototype-based prediction.
        dice: agreement of the two predictions for each structure, 0 to 1.
        uncertainty: mean within what was found, 0 (sure) to 1.
        disagreement: share of what either prediction found in which they differ, 0 to 1.
    """

    case_id: str
    final_ml: dict[str, float]
    prototype_ml: dict[str, float]
    dice: dict[str, float]
    uncertainty: float
    disagreement: float

    @property
    def found_nothing(self) -> bool:
        """Whether the final prediction is empty."""
        return not any(self.final_ml.values())

    def is_empty(self, kind: str) -> bool:
        """Whether the prediction `final` or `prototype` has no voxel."""
        return not any((self.final_ml if kind == "final" else self.prototype_ml).values())


def read_summaries(folder: JobFolder) -> Iterator[CaseSummary]:
    """The summaries of a round one by one, without opening any image; damaged ones are left out."""
    try:
        places = sorted(folder.predictions.iterdir())
    except OSError:
        return
    for place in places:
        summary = read_summary(place)
        if summary is not None:
            yield summary


def read_summary(folder: Path) -> CaseSummary | None:
    """The summary in a case's folder of predictions, None when there is none that can be read."""
    try:
        data = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return CaseSummary(
            case_id=folder.name,
            final_ml=_numbers(data["volume_final_ml"]),
            prototype_ml=_numbers(data["volume_prototype_ml"]),
            dice=_numbers(data["dice"]),
            uncertainty=_number(data["mean_uncertainty"]),
            disagreement=_number(data["disagreement"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def ranked(summaries: Sequence[CaseSummary], annotated: Collection[str] = ()) -> list[CaseSummary]:
    """Cases in the order in which they need a look.

    Cases without annotation come first, as looking at them brings the most. Then come those in which nothing was
    found, because nothing cannot be uncertain. The others follow by the mean of their places in disagreement and in
    uncertainty, whose scales are not comparable.

    Args:
        summaries: of a round.
        annotated: ids of the cases that had an annotation when the round was started.
    """
    disagreements = sorted(summary.disagreement for summary in summaries)
    uncertainties = sorted(summary.uncertainty for summary in summaries)

    def key(summary: CaseSummary) -> tuple[bool, bool, float, str]:
        attention = _place(disagreements, summary.disagreement) + _place(uncertainties, summary.uncertainty)
        return summary.case_id in annotated, not summary.found_nothing, -attention, summary.case_id

    return sorted(summaries, key=key)


def next_undecided(order: Sequence[str], current: str | None, decided: Collection[str]) -> str | None:
    """The case to look at after `current`: the next one without a decision, from the start again after the last."""
    start = order.index(current) + 1 if current in order else 0
    candidates = [*order[start:], *order[:start]]
    return next((case_id for case_id in candidates if case_id not in decided and case_id != current), None)


def neighbour(order: Sequence[str], current: str | None, step: int) -> str | None:
    """The case `step` places after `current` in the list, None beyond its ends; the first when none is shown."""
    if current not in order:
        return order[0] if order else None
    place = order.index(current) + step
    return order[place] if 0 <= place < len(order) else None


def _place(ordered: Sequence[float], value: float) -> float:
    # Equal values share the mean of their places.
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / 2


def _numbers(data: Any) -> dict[str, float]:
    return {str(name): _number(value) for name, value in data.items()}


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number

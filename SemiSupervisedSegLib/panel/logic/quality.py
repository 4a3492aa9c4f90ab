"""What is rarely right in the results of a round: what the worker found in each, and volumes far from the others."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...jobs.results import CaseSummary, Flag

# Iglewicz and Hoaglin 1993, section 3.3: a modified z-score above 3.5 is an outlier. The factor makes the median
# absolute deviation a standard deviation where values are normally distributed.
_OUTLIER, _TO_DEVIATION = 3.5, 1.4826
# Of fewer cases none is known to be unusual.
_LEAST_CASES = 5
# Volumes differ by so much from patient to patient, also where some happen to be alike: logarithm of the ratio.
_LEAST_DEVIATION = 0.1


@dataclass(frozen=True)
class QualityFlag:
    """What is rarely right in the result of a structure."""

    structure: str
    kind: Flag | Literal["small", "large"]


def quality_flags(summaries: Sequence[CaseSummary]) -> dict[str, tuple[QualityFlag, ...]]:
    """Return the flags of the results of a round by case.

    The volume of a structure is unusual where its logarithm is far from the median of all results of the round, in
    units of the median absolute deviation; results in which the structure is missing do not count. What the worker
    found in half of the results or more is no flag: a vessel leaves most images, and lesions come in several pieces.
    """
    typical, usual = _typical_volumes(summaries), _usual(summaries)
    return {summary.case: tuple(_flags(summary, typical, usual)) for summary in summaries}


def _flags(
    summary: CaseSummary, typical: dict[str, tuple[float, float]], usual: set[QualityFlag]
) -> Iterable[QualityFlag]:
    for structure, kinds in summary.flags.items():
        for kind in kinds:
            if QualityFlag(structure, kind) not in usual:
                yield QualityFlag(structure, kind)
    for structure, volume in summary.volume_final_ml.items():
        if volume > 0 and structure in typical:
            middle, deviation = typical[structure]
            distance = (math.log(volume) - middle) / deviation
            if abs(distance) > _OUTLIER:
                yield QualityFlag(structure, "small" if distance < 0 else "large")


def _usual(summaries: Sequence[CaseSummary]) -> set[QualityFlag]:
    """Return what the worker found so often that it says nothing of a case; an empty result always does."""
    if len(summaries) < _LEAST_CASES:
        return set()
    found = Counter(
        QualityFlag(structure, kind)
        for summary in summaries
        for structure, kinds in summary.flags.items()
        for kind in kinds
    )
    return {flag for flag, count in found.items() if flag.kind != "empty" and 2 * count >= len(summaries)}


def _typical_volumes(summaries: Sequence[CaseSummary]) -> dict[str, tuple[float, float]]:
    """Return median and robust deviation of the logarithm of the volumes of each structure with enough of them."""
    logarithms: dict[str, list[float]] = {}
    for summary in summaries:
        for structure, volume in summary.volume_final_ml.items():
            if volume > 0:
                logarithms.setdefault(structure, []).append(math.log(volume))
    typical = {}
    for structure, values in logarithms.items():
        if len(values) >= _LEAST_CASES:
            middle = statistics.median(values)
            deviation = _TO_DEVIATION * statistics.median(abs(value - middle) for value in values)
            typical[structure] = (middle, max(deviation, _LEAST_DEVIATION))
    return typical

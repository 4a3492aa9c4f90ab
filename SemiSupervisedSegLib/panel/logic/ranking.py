"""Which segmented cases to review and annotate next, from the summaries beside a round's predictions."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Iterator, Sequence

from ...jobs.results import CaseSummary

ROUNDS_OF_QUERIES = 5
"""Round from which the noise stays as it is; the experiments of ClaSP PE have as many rounds of queries."""
_LEAST_NOISE = 100.0
_SMALLEST = 1e-6
_OVERALL = ""


def ranked(
    summaries: Sequence[CaseSummary], annotated: Collection[str] = (), *, study: str = "", round_number: int = 1
) -> list[CaseSummary]:
    """Sort cases by how much their annotation is expected to help the next round.

    Cases without annotation come first, and of these the ones in which nothing was found. The others are in the order
    of the query strategy ClaSP PE (C. T. Lüth et al., TMLR 2026), for whole cases: of three places two go to the case
    whose result is most uncertain in one structure, where the structures take turns, and one to the case that is most
    uncertain over all. Noise of Gumbel(0, 1 / beta) is added to the logarithm of the uncertainties, and beta grows
    from 1 to 100 over the rounds, so that early rounds choose various cases and late ones the most uncertain. The
    paper takes the entropy for uncertainty, this one minus the expected Dice (Docs/experiments.md). The same study,
    round and results give the same order.

    Args:
        summaries: Summaries of the predictions of a round.
        annotated: Ids of the cases that had an annotation when the round was started.
        study: Name of the study, which seeds the noise together with the number of the round.
        round_number: Number of the round in the study, from 1.
    """
    waiting = [summary for summary in summaries if summary.case not in annotated]
    empty = [summary for summary in waiting if summary.is_empty()]
    found = [summary for summary in waiting if not summary.is_empty()]
    had_annotation = [summary for summary in summaries if summary.case in annotated]
    return [
        *sorted(empty, key=lambda summary: summary.case),
        *_queried(found, f"{study}/{round_number}", noise_precision(round_number)),
        *sorted(had_annotation, key=lambda summary: (-summary.uncertainty, summary.case)),
    ]


def noise_precision(round_number: int) -> float:
    """Return beta, which grows exponentially with the number of the round, from 1."""
    progress = (min(max(round_number, 1), ROUNDS_OF_QUERIES) - 1) / (ROUNDS_OF_QUERIES - 1)
    return _LEAST_NOISE**progress


def _queried(summaries: Sequence[CaseSummary], seed: str, beta: float) -> Iterator[CaseSummary]:
    """Yield the cases in the order in which the strategy chooses them, one after the other."""
    structures = sorted({name for summary in summaries for name in summary.expected_dice})
    queues = {
        name: iter(sorted(summaries, key=lambda summary, name=name: _priority(summary, name, seed, beta)))
        for name in (*structures, _OVERALL)
    }
    chosen: set[str] = set()
    for name in _turns(structures, random.Random(seed)):
        following = next((summary for summary in queues[name] if summary.case not in chosen), None)
        if following is None:
            return
        chosen.add(following.case)
        yield following


def _turns(structures: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Yield endlessly what each place is for: two of three for a structure, one for the case over all."""
    if not structures:
        yield from itertools.repeat(_OVERALL)
    in_turn = itertools.cycle(draw.sample(structures, len(structures)))
    kinds = draw.sample((True, True, False), 3)
    for is_for_structure in itertools.cycle(kinds):
        yield next(in_turn) if is_for_structure else _OVERALL


def _priority(summary: CaseSummary, structure: str, seed: str, beta: float) -> tuple[float, str]:
    """Return the negative noisy logarithm of the uncertainty, and the id for cases that are equal."""
    uncertainty = summary.uncertainty
    if structure != _OVERALL:
        uncertainty = 1 - summary.expected_dice.get(structure, 1.0)
    # A random number is never 1, but may be 0.
    uniform = max(random.Random(f"{seed}/{structure}/{summary.case}").random(), _SMALLEST)
    noise = -math.log(-math.log(uniform)) / beta
    return -(math.log(max(uncertainty, _SMALLEST)) + noise), summary.case


def next_to_review(order: Sequence[str], current: str | None, done: Collection[str]) -> str | None:
    """Return the first case of a ranked list that is neither done nor the current one, None when all are."""
    return next((case_id for case_id in order if case_id not in done and case_id != current), None)


def neighbour(order: Sequence[str], current: str | None, step: int) -> str | None:
    """Return the case `step` places after `current`, None beyond the ends; the first when none is displayed."""
    if current not in order:
        return order[0] if order else None
    place = order.index(current) + step
    return order[place] if 0 <= place < len(order) else None

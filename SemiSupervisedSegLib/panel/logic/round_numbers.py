"""What became of each round, in numbers: how well it did on the validation cases, and what the user made of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ...jobs.folder import JobFolder
from ...jobs.metrics_file import case_means, measurable, read_metrics, scored_as
from ...study.errors import UserError
from ...study.model import Role
from .decisions import read_decisions
from .round_names import round_title


@dataclass(frozen=True)
class RoundNumbers:
    """A finished round.

    Attributes:
        title: Name of the round for the user.
        dice: Mean Dice of the final result over the validation cases by structure, 0 to 1; empty without such cases.
        accepted: Number of accepted results.
        corrected_ml: Volume in mL that the user changed in accepted results; None where that is not known of any.
    """

    title: str
    dice: dict[str, float]
    accepted: int
    corrected_ml: float | None


def read_round_numbers(folder: JobFolder) -> RoundNumbers:
    """Return the numbers of a finished round; what cannot be read counts as not there."""
    accepted = []
    # The error is told where the decisions are shown one by one.
    with contextlib.suppress(UserError):
        accepted = [decision for decision in read_decisions(folder).values() if decision.verdict == "accepted"]
    volumes = [decision.corrected_ml for decision in accepted if decision.corrected_ml is not None]
    dice: dict[str, float] = {}
    with contextlib.suppress(UserError):
        dice = _validation_dice(folder)
    return RoundNumbers(round_title(folder.name), dice, len(accepted), sum(volumes) if volumes else None)


def _validation_dice(folder: JobFolder) -> dict[str, float]:
    """Return the mean Dice by structure; raises UserError where there are no scores."""
    scores = read_metrics(folder.metrics)
    spec = folder.spec()
    # The command evaluate can score labeled cases, too.
    validation = {case.id for case in spec.cases if scored_as(spec, case) is Role.VALIDATION}
    final = measurable(score for score in scores if score.kind == "final" and score.case in validation)
    dice = {}
    for structure in dict.fromkeys(score.structure for score in final):
        means = case_means([score for score in final if score.structure == structure], "dice").values()
        dice[structure] = sum(means) / len(means)
    return dice

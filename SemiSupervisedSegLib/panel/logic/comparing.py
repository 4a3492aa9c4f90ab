"""Which methods can be compared on a study, and what a comparison takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...jobs.catalogue import load_catalogue
from ...jobs.comparison_specs import why_not_comparable
from ...jobs.needs import missing_in_study
from ...study.model import Study
from .estimates import rough_duration
from .proposal import recommend

# What every other method should be better than.
_REFERENCES = ("supervised", "mean_teacher")
# Of each training beside its steps: loading PyTorch, preparing images, scoring.
_OVERHEAD_SECONDS = 20.0


@dataclass(frozen=True)
class Choice:
    """A method that could be compared.

    Attributes:
        method: Id of the method.
        title: Title of the method.
        summary: Sentence that says when to choose it.
        is_recommended: Whether it is the recommended one.
        is_proposed: Whether it is compared unless the user chooses otherwise.
        problem: Reason why it cannot be trained on the study, empty when it can.
    """

    method: str
    title: str
    summary: str
    is_recommended: bool
    is_proposed: bool
    problem: str


def choices(study: Study) -> tuple[Choice, ...]:
    """Return all methods, those that are proposed first and those that cannot be trained last."""
    best = recommend(study)
    proposed = {*_REFERENCES, *(() if best is None else (best.method,))}
    found = []
    for entry in load_catalogue().methods.values():
        is_best = best is not None and entry.id == best.method
        problem = str(missing_in_study(study, entry) or "")
        found.append(
            Choice(entry.id, entry.title, entry.summary, is_best, entry.id in proposed and not problem, problem)
        )
    return tuple(sorted(found, key=lambda choice: (bool(choice.problem), not choice.is_proposed)))


def cost_in_words(study: Study | None, folds: int, seconds: Sequence[float | None]) -> str:
    """Return what a comparison takes, or why there can be none, as text for the user.

    Args:
        study: Open study, None without one.
        folds: Number of folds.
        seconds: Expected time of a training of each method, None where it is not known.
    """
    if study is None:
        return ""
    if (problem := why_not_comparable(study)) is not None:
        return str(problem)
    methods = "1 method" if len(seconds) == 1 else f"{len(seconds)} methods"
    text = f"{methods} × {folds} folds = {len(seconds) * folds} trainings"
    known = [value for value in seconds if value is not None]
    if not known or len(known) < len(seconds):
        return f"{text}. How long shows after the first one."
    return f"{text}, {rough_duration(folds * sum(value + _OVERHEAD_SECONDS for value in known))}."

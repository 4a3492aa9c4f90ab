"""Which methods can be compared on a study, and what a comparison takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...jobs.catalogue import load_catalogue
from ...jobs.comparison import ComparisonSpec
from ...jobs.comparison_specs import (
    annotated_cases,
    check_label_counts,
    most_labels,
    settings_of,
    why_not_comparable,
)
from ...jobs.needs import missing_in_study
from ...study.errors import UserError
from ...study.model import Study
from .estimates import rough_duration
from .proposal import recommend
from .wording import counted

# What every other method should be better than.
_REFERENCES = ("supervised", "mean_teacher")
# Of each training beside its steps: loading PyTorch, preparing images, scoring.
_OVERHEAD_SECONDS = 20.0
# Of what the user wrote, so much is repeated where it cannot be used.
_LONGEST_WORD = 30


@dataclass(frozen=True)
class Extent:
    """How much is trained of each method, and how.

    Attributes:
        folds: Number of folds.
        repetitions: Number of seeds.
        label_counts: Numbers of annotated images to learn from, empty for all.
        at_once: Number of trainings at the same time.
        machine: Name of the other machine that trains, empty for this computer.
    """

    folds: int
    repetitions: int = 1
    label_counts: tuple[int, ...] = ()
    at_once: int = 1
    machine: str = ""

    @property
    def trainings(self) -> int:
        """Number of trainings of each method."""
        return self.folds * self.repetitions * max(1, len(self.label_counts))


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


def read_label_counts(text: str, study: Study, folds: int) -> tuple[int, ...]:
    """Return the numbers of annotated images to learn from, empty for all.

    Args:
        text: What the user wrote, such as `2, 4`.
        study: Open study.
        folds: Number of folds.

    Raises:
        UserError: It has something else than numbers, or there are not so many images to learn from.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    wrong = next((word for word in words if not re.fullmatch("[0-9]{1,6}", word)), None)
    if wrong is not None:
        shown = wrong if len(wrong) <= _LONGEST_WORD else f"{wrong[:_LONGEST_WORD]}…"
        raise UserError(f"{shown} is no number of images.", "Write numbers such as 2, 4, or nothing for all images.")
    counts = tuple(sorted({int(word) for word in words}))
    most = most_labels(len(annotated_cases(study)), folds)
    # Where there is nothing to compare, that is said instead.
    if most > 0:
        check_label_counts(counts, most)
    return counts


def method_that_shows(spec: ComparisonSpec, method: str) -> str:
    """Return the first of this and the compared methods that has most of the changed settings of a comparison."""
    return max((method, *spec.methods), key=lambda name: len(settings_of(spec, name)))


def cost_in_words(study: Study | None, extent: Extent, seconds: Sequence[float | None]) -> str:
    """Return what a comparison takes, or why there can be none, as text for the user.

    Args:
        study: Open study, None without one.
        extent: How much is trained of each method.
        seconds: Expected time of a training of each method, None where it is not known.
    """
    if study is None:
        return ""
    if (problem := why_not_comparable(study)) is not None:
        return str(problem)
    parts = [counted(len(seconds), "1 method", "{count} methods"), f"{extent.folds} folds"]
    if extent.repetitions > 1:
        parts.append(f"{extent.repetitions} repetitions")
    if len(extent.label_counts) > 1:
        parts.append(f"{len(extent.label_counts)} numbers of labeled images")
    text = f"{' × '.join(parts)} = {len(seconds) * extent.trainings} trainings"
    if extent.machine:
        text += f" on {extent.machine}"
    if extent.at_once > 1:
        text += f", {extent.at_once} at the same time"
    known = [value for value in seconds if value is not None]
    if not known or len(known) < len(seconds):
        return f"{text}. How long shows after the first one."
    total = extent.trainings * sum(value + _OVERHEAD_SECONDS for value in known)
    return f"{text}, {rough_duration(total / extent.at_once)}."

"""What a method needs from the cases it is trained on, and what of it is missing, in words for the user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..study.errors import UserError
from ..study.model import Role, Study
from ..study.partial_annotations import AnnotatedCase, check_fully_annotated
from .entries import MethodEntry

_LOCAL = "images without annotation from the local site"
_WORDS = {
    "labeled": "annotated images",
    "unlabeled": "images without annotation",
    "external": "images without annotation from other sites",
}
_ADVICE = {
    "labeled": "Annotate an image first, and give it the role labeled.",
    "unlabeled": "Add some with the role unlabeled, or choose the method Supervised.",
    "external": "Add some with the role unlabeled and the name of their site, or choose another method.",
}


class StreamCase(Protocol):
    """What decides the stream of a case, in a job as in the cache."""

    @property
    def role(self) -> Role:
        """Use of the case."""

    @property
    def external(self) -> bool:
        """Whether the case comes from another site than the local one."""


Member = TypeVar("Member", bound=StreamCase)


class TrainingCase(StreamCase, AnnotatedCase, Protocol):
    """What decides whether a method can be trained on a case; a `JobCase` is one."""

    @property
    def annotation(self) -> str | None:
        """Path of the annotation, None without one."""


@dataclass(frozen=True)
class _StudyCase:
    id: str
    role: Role
    external: bool
    annotation: str | None
    structures: tuple[str, ...] | None


@dataclass(frozen=True)
class Need:
    """A kind of images that a method learns from.

    Attributes:
        stream: `labeled`, `unlabeled` or `external`.
        words: The kind in words for the user.
        count: Number of such cases.
    """

    stream: str
    words: str
    count: int


def streams_of(cases: Iterable[Member], streams: frozenset[str]) -> dict[str, list[Member]]:
    """Return the cases of each stream that a method needs.

    A method that does not know external images gets them pooled with the local unlabeled ones, as the papers run such
    baselines (CU2L, table 2).

    Args:
        cases: All cases of a study, a job or the cache.
        streams: Names of the streams that the method needs, as in its catalogue entry.
    """
    groups: dict[str, list[Member]] = {name: [] for name in _WORDS if name in streams}
    for case in cases:
        if case.role is Role.LABELED:
            name = "labeled"
        elif case.role is Role.UNLABELED:
            name = "external" if case.external and "external" in streams else "unlabeled"
        else:
            continue
        if name in groups:
            groups[name].append(case)
    return groups


def training_cases(study: Study) -> tuple[TrainingCase, ...]:
    """Return the cases of a study as `needs_of` and `missing` take them; no file is read."""
    return tuple(
        _StudyCase(case.id, case.role, study.is_external(case), case.annotation, case.structures)
        for case in study.cases
    )


def needs_of(cases: Sequence[TrainingCase], method: MethodEntry) -> tuple[Need, ...]:
    """Return the kinds of images that a method learns from, with the number of cases of each."""
    words = _WORDS | ({"unlabeled": _LOCAL} if "external" in method.streams else {})
    members = streams_of(cases, method.streams)
    return tuple(Need(stream, words[stream], len(group)) for stream, group in members.items())


def missing(cases: Sequence[TrainingCase], method: MethodEntry) -> UserError | None:
    """Return the reason why a method cannot be trained on the cases, None when it can.

    Args:
        cases: All cases of a job, or `training_cases` of a study.
        method: Catalogue entry of the method.
    """
    for need in needs_of(cases, method):
        if need.count == 0:
            return UserError(f"There are no {need.words} yet.", _ADVICE[need.stream])
    for case in cases:
        if case.role.needs_annotation and case.annotation is None:
            return UserError(
                f"The case {case.id} has the role {case.role.value}, but no annotation.",
                "Annotate it, or change its role.",
            )
    if not method.partial_annotations:
        try:
            check_fully_annotated(cases, method.title)
        except UserError as error:
            return error
    return None


def missing_in_study(study: Study, method: MethodEntry) -> UserError | None:
    """Return the reason why a method cannot be trained on a study as it is now, None when it can."""
    return missing(training_cases(study), method)

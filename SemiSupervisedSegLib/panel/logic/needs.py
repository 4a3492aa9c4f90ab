"""What a method needs from a study, and what of it the study lacks, in words for the user."""

from __future__ import annotations

from dataclasses import dataclass

from ...jobs.catalogue import MethodEntry
from ...study.errors import UserError
from ...study.model import Case, Role, Study
from ...study.partial_annotations import check_fully_annotated

_WORDS = {
    "labeled": "annotated images",
    "unlabeled": "images without annotation from your own site",
    "external": "images without annotation from other sites",
}
_ADVICE = {
    "labeled": "Annotate an image first, and let its role be labeled.",
    "unlabeled": "Add some with the role unlabeled, or choose the method Supervised.",
    "external": "Add some with the role unlabeled and their own site, or choose another method.",
}


@dataclass(frozen=True)
class Need:
    """A kind of images that a method learns from: its stream, the words for it, and how many the study has."""

    stream: str
    words: str
    count: int


def needs(method: MethodEntry, study: Study | None) -> tuple[Need, ...]:
    """What a method learns from, in the order of a reader's interest; without a study all counts are zero."""
    counts = _counts(study)
    return tuple(Need(stream, words, counts[stream]) for stream, words in _WORDS.items() if stream in method.streams)


def missing_for(method: MethodEntry, study: Study) -> str:
    """Why a method cannot be trained on a study yet, in one or two sentences; empty when it can."""
    for need in needs(method, study):
        if need.count == 0:
            return f"There are no {need.words} yet. {_ADVICE[need.stream]}"
    bare = [case.id for case in study.cases if case.role in (Role.LABELED, Role.VALIDATION) and not case.annotation]
    if bare:
        return f"{bare[0]} has no annotation yet. Annotate it, or change its role."
    if not method.partial_annotations:
        try:
            check_fully_annotated(study.cases, method.title)
        except UserError as error:
            return str(error)
    return ""


def _counts(study: Study | None) -> dict[str, int]:
    counts = dict.fromkeys(_WORDS, 0)
    for case in study.cases if study is not None else ():
        stream = _stream(study, case)
        if stream:
            counts[stream] += 1
    return counts


def _stream(study: Study, case: Case) -> str:
    if case.role is Role.LABELED:
        return "labeled"
    if case.role is not Role.UNLABELED:
        return ""
    return "external" if study.is_external(case) else "unlabeled"

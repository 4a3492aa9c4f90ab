"""What the next round of a study could be: as the last one, or with the method that fits the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...jobs.catalogue import load_catalogue
from ...jobs.folder import JobFolder
from ...jobs.needs import missing_in_study
from ...jobs.spec import SettingValue
from ...study.errors import UserError
from ...study.model import Role, Study
from .wording import counted


@dataclass(frozen=True)
class Proposal:
    """A round that could be trained next.

    Attributes:
        method: Id of the method.
        reason: Why this method, as the end of a sentence; empty where it is that of an earlier round.
        preset: Id of the preset, empty where any will do.
        settings: Settings that differ from the preset, by name.
    """

    method: str
    reason: str = ""
    preset: str = ""
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


def recommend(study: Study) -> Proposal | None:
    """Return the method that fits the images of a study best, None when it lacks what every method needs."""
    catalogue = load_catalogue()
    fitting = (name for name in _PREFERENCES if missing_in_study(study, catalogue.method(name)) is None)
    return next((Proposal(name, _PREFERENCES[name](study)) for name in fitting), None)


def propose(study: Study, rounds: Sequence[JobFolder]) -> Proposal | None:
    """Return a round as the last training of these, if the study still has what that needs, else the recommended one.

    Args:
        study: Study as it is now.
        rounds: Rounds whose last training is continued, oldest first.
    """
    last = next((folder for folder in reversed(rounds) if folder.head().kind == "train"), None)
    earlier = None if last is None else _like(last)
    if earlier is None or missing_in_study(study, load_catalogue().method(earlier.method)) is not None:
        return recommend(study)
    return earlier


def _like(folder: JobFolder) -> Proposal | None:
    try:
        spec = folder.spec()
        load_catalogue().resolve(spec.method, spec.preset, spec.settings)
    except UserError:
        # A damaged round, or one of a method or setting that is no more, is no example.
        return None
    return Proposal(spec.method, "", spec.preset, spec.settings)


def _unlabeled_images(study: Study) -> str:
    unlabeled, labeled = study.cases_of(Role.UNLABELED), study.cases_of(Role.LABELED)
    external = sum(study.is_external(case) for case in unlabeled)
    words = counted(len(unlabeled), "1 image has no annotation", "{count} images have no annotation")
    from_other_sites = f", {external} of them from other sites," if external else ""
    beside = counted(len(labeled), "1 annotated one", "{count} annotated ones")
    return f"{words}{from_other_sites} beside {beside}"


def _partial_annotations(study: Study) -> str:
    partial = [case for case in study.cases_of(Role.LABELED) if case.structures is not None]
    return counted(
        len(partial),
        "1 image is annotated for a part of the structures only",
        "{count} images are annotated for a part of the structures only",
    )


def _annotations_only(study: Study) -> str:
    one, several = "the only image to learn from is annotated", "all {count} images to learn from are annotated"
    return counted(len(study.cases_of(Role.LABELED)), one, several)


# The first method that a study has everything for (Docs/benchmarks.md has what each is worth), and why.
_PREFERENCES: dict[str, Callable[[Study], str]] = {
    "self_training": _unlabeled_images,
    "unisemi": _partial_annotations,
    "supervised": _annotations_only,
}

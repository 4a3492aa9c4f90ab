"""What the next round of a study could be: as the last one, or with the method that fits the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...jobs.catalogue import load_catalogue
from ...jobs.folder import JobFolder
from ...jobs.needs import missing_in_study
from ...jobs.spec import SettingValue
from ...study.errors import UserError
from ...study.model import Study

# The first method that a study has everything for (Docs/benchmarks.md has what each is worth).
_PREFERENCES = (
    ("self_training", "the study has images without annotation"),
    ("unisemi", "some images are annotated for a part of the structures only"),
    ("supervised", "the study has annotated images only"),
)


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
    fitting = (item for item in _PREFERENCES if missing_in_study(study, catalogue.method(item[0])) is None)
    return next((Proposal(method, reason) for method, reason in fitting), None)


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

"""What a round that starts from an earlier model must know of it: network, structures, and cases that taught it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..jobs.folder import JobFolder
from ..jobs.model_folder import read_description
from ..jobs.spec import JobCase, JobSpec
from ..study.errors import UserError
from ..study.model import Role, Structure, name_key
from .content import content_hash
from .plan import Plan

_MOST_NAMES = 5


@dataclass(frozen=True)
class StructureMatch:
    """Which structures of a round an earlier model has, by name; colours and label values may have changed.

    Attributes:
        taken: Names of the structures that both have.
        new: Names of those that the model does not have.
        dropped: Names of those that the round does not have any more.
        sources: Class index of the model for each class of the round, background first; None for new structures.
    """

    taken: tuple[str, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    sources: tuple[int | None, ...]

    @property
    def is_same(self) -> bool:
        """Whether both have the same structures in the same order."""
        return not self.dropped and self.sources == tuple(range(len(self.sources)))

    def in_words(self) -> str:
        """Return a sentence that says what is taken over, empty where everything is."""
        if not self.new and not self.dropped:
            return ""
        taken = f"{_listed(self.taken)} taken over" if self.taken else "the image features alone are taken over"
        new = f"{_listed(self.new)} new" if self.new else ""
        dropped = f"{_listed(self.dropped)} not used any more" if self.dropped else ""
        return f"From the earlier model {'; '.join(filter(None, (taken, new, dropped)))}."


def match_structures(before: Sequence[Structure], now: Sequence[Structure]) -> StructureMatch:
    """Match the structures of an earlier model with those of a round by their names.

    Args:
        before: Structures of the model in the order of its class indices.
        now: Structures of the round in the order of its class indices.
    """
    places = {name_key(structure.name): index for index, structure in enumerate(before, 1)}
    found = [places.get(name_key(structure.name)) for structure in now]
    return StructureMatch(
        taken=tuple(structure.name for structure, place in zip(now, found, strict=True) if place is not None),
        new=tuple(structure.name for structure, place in zip(now, found, strict=True) if place is None),
        dropped=tuple(structure.name for index, structure in enumerate(before, 1) if index not in found),
        sources=(0, *found),
    )


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    text = f"{', '.join(first)} and {last}" if first else last
    return f"{text} {'are' if first else 'is'}"


def check_warm_start(spec: JobSpec, plan: Plan) -> None:
    """Raise UserError when a round cannot start from its earlier model, before any image is prepared.

    Args:
        spec: Job with a warm start, or without one.
        plan: Plan of the round.
    """
    if spec.warm_start is None:
        return
    model = read_description(Path(spec.warm_start))
    before = Plan.from_dict(model.plan)
    # A method may change the network of a plan; whether all weights fit is known when it is built.
    if (before.dimensions, before.network.backbone) != (plan.dimensions, plan.network.backbone):
        raise UserError(
            f"The earlier model is a {before.network}, and this round trains a {plan.network}.",
            "Choose the same network and dimension, or start from scratch.",
        )


def warm_start_warnings(spec: JobSpec) -> list[str]:
    """Return what the user should know about a start from an earlier model.

    That is which structures and intensities it has not seen, and a warning for each earlier round whose annotated cases
    are for validation now.

    Args:
        spec: Job that may start from the model of an earlier round, which may have started from another one.
    """
    warnings = _model_warnings(spec)
    validation = [case for case in spec.cases if case.role is Role.VALIDATION]
    for name, earlier in _ancestors(spec):
        labeled = [case for case in earlier.cases if case.role is Role.LABELED]
        learned = [case.id for case in validation if any(_is_same_image(case, other) for other in labeled)]
        if learned:
            names = ", ".join(learned[:_MOST_NAMES]) + (" and others" if len(learned) > _MOST_NAMES else "")
            warnings.append(
                f"This round starts with a warm start from {name}, whose model has learned the annotation of {names}. "
                "Scores of these validation cases do not show how well the model does on unseen images."
            )
    return warnings


def _model_warnings(spec: JobSpec) -> list[str]:
    if spec.warm_start is None or spec.continues:
        return []
    try:
        model = read_description(Path(spec.warm_start))
        modality = Plan.from_dict(model.plan).normalization.modality
    except UserError:
        # A resumed round does not need it any more; a new one is refused with the reason.
        return []
    warnings = [match_structures(model.structures, spec.structures).in_words()]
    if modality is not spec.modality and spec.modality is not None:
        warnings.append(f"The earlier model was trained on {modality} images, and these are {spec.modality}.")
    return list(filter(None, warnings))


def _ancestors(spec: JobSpec) -> Iterator[tuple[str, JobSpec]]:
    """Yield name and job of the rounds that a round builds on, the latest first, as far as they are still there."""
    seen: set[Path] = set()
    while spec.warm_start is not None:
        folder = JobFolder(Path(spec.warm_start).parent)
        if folder.path in seen or not folder.exists():
            return
        seen.add(folder.path)
        try:
            spec = folder.spec()
        except UserError:
            return
        yield folder.name, spec


def _is_same_image(case: JobCase, other: JobCase) -> bool:
    paths = Path(case.image), Path(other.image)
    if paths[0] == paths[1]:
        return True
    try:
        first, second = map(_size, paths)
        return first == second and content_hash(paths[0]) == content_hash(paths[1])
    except (OSError, UserError):
        return False


def _size(image: Path) -> int:
    files = image.iterdir() if image.is_dir() else [image]
    return sum(file.stat().st_size for file in files)

"""What a round that starts from an earlier model must know of it: network, and cases that taught it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..jobs.folder import JobFolder
from ..jobs.model_folder import check_structures, read_description
from ..jobs.spec import JobCase, JobSpec
from ..study.errors import UserError
from ..study.model import Role
from .content import content_hash
from .plan import Plan

_MOST_NAMES = 5


def check_warm_start(spec: JobSpec, plan: Plan) -> None:
    """Raise UserError when a round cannot start from its earlier model, before any image is prepared.

    Args:
        spec: Job with a warm start, or without one.
        plan: Plan of the round.
    """
    if spec.warm_start is None:
        return
    model = read_description(Path(spec.warm_start))
    check_structures(model, spec.structures)
    before = Plan.from_dict(model.plan)
    # A method may change the network of a plan; whether all weights fit is known when it is built.
    if (before.dimensions, before.network.backbone) != (plan.dimensions, plan.network.backbone):
        raise UserError(
            f"The earlier model is a {before.network}, and this round trains a {plan.network}.",
            "Choose the same network and dimension, or start from scratch.",
        )


def warm_start_warnings(spec: JobSpec) -> list[str]:
    """Return a warning for each earlier round whose annotated cases are for validation now.

    Args:
        spec: Job that may start from the model of an earlier round, which may have started from another one.
    """
    validation = [case for case in spec.cases if case.role is Role.VALIDATION]
    warnings = []
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

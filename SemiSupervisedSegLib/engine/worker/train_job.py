"""A round of training: from the job's cases to a model, predictions and a report."""

from __future__ import annotations

import os
from typing import Any

from ...jobs.catalogue import load_catalogue
from ...jobs.events import CheckpointSaved, Started
from ...jobs.folder import JobFolder
from ...jobs.spec import JobSpec
from ...study.errors import UserError
from ...study.partial_annotations import check_fully_annotated
from ..data.batches import stream_members
from ..device import choose_device
from ..training.checkpoint import has_checkpoint
from .prepare import prepare
from .reporter import Reporter

_STREAM_ADVICE = {
    "labeled": "Annotate at least one case and give it the role labeled.",
    "unlabeled": "Add images without annotation with the role unlabeled, or choose the method Supervised.",
    "external": "Add unlabeled images of another site, or choose another method.",
}


def run_train_job(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    """Do or resume a round and return the content of its result.json.

    Raises:
        UserError: something the user can mend.
        JobStopped: the user asked to end; a checkpoint was saved.
    """
    early = load_catalogue().resolve(spec.method, spec.preset, spec.settings)
    device = choose_device(spec.device, early["precision"], early["threads"])
    _check_streams(spec)
    saved_step = _saved_step(folder)
    reporter.saved_step = saved_step or 0
    reporter.emit(Started(device.title, os.getpid(), saved_step))
    prepared = prepare(folder, spec, reporter)

    # These bring MONAI, which takes seconds, and the user has seen by now that the worker is there.
    from .finish import finish_round
    from .training_round import TrainingRound

    training = TrainingRound(folder, spec, reporter, prepared, device)
    training.train()
    return finish_round(folder, spec, reporter, prepared, training.method, device)


def _saved_step(folder: JobFolder) -> int | None:
    """Return the step of the checkpoint that an earlier worker left, None without one."""
    events, _ = folder.events()
    steps = [event.step for event in events if isinstance(event, CheckpointSaved)]
    return steps[-1] if steps and has_checkpoint(folder.checkpoints) else None


def _check_streams(spec: JobSpec) -> None:
    """Raise UserError when the job lacks cases or annotations that its method needs, before anything else is done."""
    entry = load_catalogue().method(spec.method)
    if not entry.partial_annotations:
        check_fully_annotated(spec.cases, entry.title)
    members = stream_members(spec.cases, entry.streams)
    for name, cases in members.items():
        if not cases:
            raise UserError(f"The round has no {name} case, and its method needs some.", _STREAM_ADVICE[name])

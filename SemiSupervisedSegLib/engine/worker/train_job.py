"""A round of training: from the job's cases to a model, predictions and a report."""

from __future__ import annotations

import os
from typing import Any

from ...jobs.catalogue import load_catalogue
from ...jobs.events import CheckpointSaved, Started
from ...jobs.folder import JobFolder
from ...jobs.needs import missing
from ...jobs.spec import JobSpec
from ..device import choose_device
from ..training.checkpoint import has_checkpoint
from .prepare import prepare
from .reporter import Reporter


def run_train_job(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    """Do or resume a round and return the content of its result.json.

    Raises:
        UserError: something the user can mend.
        JobStopped: the user asked to end; a checkpoint was saved.
    """
    early = load_catalogue().resolve_job(spec)
    device = choose_device(spec.device, str(early["precision"]), int(early["threads"]))
    if (problem := missing(spec.cases, load_catalogue().method(spec.method))) is not None:
        raise problem
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

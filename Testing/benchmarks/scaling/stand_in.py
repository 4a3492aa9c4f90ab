"""What a training leaves, without the training; this is quick to load."""

from __future__ import annotations

import os

from SemiSupervisedSegLib.jobs.events import Failed, Finished, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.metrics_file import write_metrics
from SemiSupervisedSegLib.jobs.structure_score import StructureScore
from SemiSupervisedSegLib.study.model import Role

FAILING = "STAND_IN_FAILING"
"""Variable of the environment with the names of the jobs that fail, with commas between."""
_STEPS = 20


def finish(folder: JobFolder, steps: int) -> None:
    """Leave what a worker leaves after so many steps, each with its event."""
    spec = folder.spec()
    folder.append_event(Started("x", 1))
    for step in range(steps):
        folder.append_event(StepDone("train", step, steps, {"supervised": 0.5, "consistency": 0.1}, 0.01, 60.0))
    folder.append_event(Finished())
    cases = [case.id for case in spec.cases if case.role is Role.VALIDATION]
    dice = 0.5 + 0.001 * spec.seed
    write_metrics(
        folder.metrics, [StructureScore(case, "wall", "final", dice, *[1.0] * 8, False, False) for case in cases]
    )
    folder.write_result({})


def work(place: str) -> int:
    """Leave what a training of a few steps leaves, or a failure, and return the exit code of a worker."""
    folder = JobFolder(place)
    with folder.lock():
        if folder.name in os.environ[FAILING].split(","):
            folder.append_event(Failed("It fails, as it was asked to.", ""))
            return 2
        finish(folder, _STEPS)
    return 0

"""The training loop on toy networks: batches that depend on the step alone, and runs that stop anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from SemiSupervisedSegLib.engine.data.batch import Batch
from SemiSupervisedSegLib.engine.device import Device
from SemiSupervisedSegLib.engine.methods.method import Method, Stage
from SemiSupervisedSegLib.engine.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from SemiSupervisedSegLib.engine.training.loop import Hooks, StepReport, TrainingLoop

from ..methods.toys import toy_batch

CPU = Device(torch.device("cpu"), torch.float32)
KEY = "key of the job"


def draw(step: int) -> Batch:
    """Return the batch of a step and leave torch's generator as it was, as the real streams do."""
    with torch.random.fork_rng():
        torch.manual_seed(1000 + step)
        return toy_batch()


class Run:
    """A loop, and what it said to its hooks."""

    def __init__(self, method: Method, seed: int = 3) -> None:
        self.loop = TrainingLoop(method, draw, method.settings, seed, CPU)
        self.stages: list[tuple[Stage, int]] = []
        self.reports: list[StepReport] = []
        self.steps: list[int] = []

    def go(self, until: int | None = None) -> bool:
        """Train to the end, or stop after a step."""

        def after_step(step: int) -> bool:
            self.steps.append(step)
            return step != until

        return self.loop.run(Hooks(lambda *stage: self.stages.append(stage), self.reports.append, after_step))

    def state(self) -> dict[str, object]:
        """Return everything that a checkpoint keeps."""
        return vars(self.loop.checkpoint(KEY))


def interrupted(make: Callable[[], Method], step: int, folder: Path) -> Run:
    """Train to a step, save, and return the finished run of another loop that went on from the file."""
    first = Run(make())
    assert not first.go(until=step)
    save_checkpoint(folder, first.loop.checkpoint(KEY))
    # The new process has other weights and another generator state until it has read the file.
    torch.manual_seed(99)
    second = Run(make())
    second.loop.restore(saved(folder))
    assert second.go()
    return second


def saved(folder: Path) -> Checkpoint:
    """Read the checkpoint of a folder."""
    checkpoint = load_checkpoint(folder, KEY, torch.device("cpu"))
    assert checkpoint is not None
    return checkpoint

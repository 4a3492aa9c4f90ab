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

from ...benchmarks.reliability.kill_and_resume import same_content
from ..methods.toys import toy_batch

CPU = Device(torch.device("cpu"), torch.float32)
KEY = "key of the job"
STEPS = 4


def drawing(make_batch: Callable[[], Batch]) -> Callable[[int], Batch]:
    """Return a function from a step to its batch that leaves torch's generator as it was, as the real streams do."""

    def draw(step: int) -> Batch:
        with torch.random.fork_rng():
            torch.manual_seed(1000 + step)
            return make_batch()

    return draw


draw = drawing(toy_batch)


class Run:
    """A loop and the calls of its hooks.

    Args:
        method: Method to train.
        seed: Seed of the job.
        make_batch: Function that draws a batch from torch's generator.
    """

    def __init__(self, method: Method, seed: int = 3, make_batch: Callable[[], Batch] = toy_batch) -> None:
        self.loop = TrainingLoop(method, drawing(make_batch), method.settings, seed, CPU)
        self.stages: list[tuple[Stage, int]] = []
        self.reports: list[StepReport] = []
        self.steps: list[int] = []

    def go(self, save_to: Path | None = None) -> None:
        """Train to the end; save a checkpoint of every step in a folder below the given one."""

        def on_step_end(step: int) -> None:
            self.steps.append(step)
            if save_to is not None:
                save_checkpoint(save_to / str(step), self.loop.checkpoint(KEY))

        self.loop.run(Hooks(lambda *stage: self.stages.append(stage), self.reports.append, on_step_end))

    def state(self) -> dict[str, object]:
        """Return everything that a checkpoint keeps."""
        return vars(self.loop.checkpoint(KEY))


def saved(folder: Path) -> Checkpoint:
    """Read the checkpoint of a folder."""
    checkpoint = load_checkpoint(folder, KEY, torch.device("cpu"))
    assert checkpoint is not None
    return checkpoint


def assert_resumes_anywhere(
    make: Callable[[int], Method], folder: Path, make_batch: Callable[[], Batch] = toy_batch
) -> None:
    """A training of a few steps that goes on from any of them ends in the same state as one that was not stopped.

    Args:
        make: Function that builds the method for a number of steps.
        folder: Place of the checkpoints.
        make_batch: Function that draws a batch from torch's generator.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    whole = Run(make(STEPS), make_batch=make_batch)
    whole.go(save_to=folder)
    for step in range(1, STEPS):
        # The new process has other weights and another generator state until it has read the file.
        torch.manual_seed(99)
        resumed = Run(make(STEPS), make_batch=make_batch)
        resumed.loop.restore(saved(folder / str(step)))
        resumed.go()
        assert same_content(resumed.state(), whole.state()), f"different after a stop at step {step}"
        assert resumed.steps == list(range(step + 1, STEPS + 1))

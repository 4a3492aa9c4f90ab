"""The one training loop of all methods."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..data.batch import Batch
from ..data.randomness import generator_at
from ..device import Device
from ..methods.method import Method, Stage, TrainingStep, total
from ..networks.base import SegmentationNetwork
from .average import AveragedNetwork
from .checkpoint import UNKNOWN_START, Checkpoint, damaged_checkpoint
from .log import LossLog, diverged_error
from .optimizers import ObjectiveOptimizer


@dataclass(frozen=True)
class StepReport:
    """Report of the loop every few steps.

    Attributes:
        stage: Name of the stage.
        step: Number of completed steps over all stages.
        total_steps: Number of steps of all stages.
        losses: Unweighted means since the last report, by name.
        learning_rate: Learning rate of the first objective.
        seconds_left: Time for all remaining steps at the pace of this run, in seconds.
    """

    stage: str
    step: int
    total_steps: int
    losses: dict[str, float]
    learning_rate: float
    seconds_left: float


@dataclass(frozen=True)
class Hooks:
    """What the loop calls; a hook stops the training by raising an exception, which `TrainingLoop.run` passes on.

    Attributes:
        on_stage_start: Called with a stage and its number of steps.
        on_report: Called with the mean losses of the last steps.
        on_step_end: Called with the number of steps done; it may validate, preview or save.
        on_stage_batch: Called with the number of batches that a stage has drawn before its first step, and their total.
    """

    on_stage_start: Callable[[Stage, int], None]
    on_report: Callable[[StepReport], None]
    on_step_end: Callable[[int], None]
    on_stage_batch: Callable[[int, int], None] = lambda done, total: None


class TrainingLoop:
    """Runs a method's stages and objectives, from any step.

    All randomness of a step comes from the seed and the step's number, so a loop restored from a
    checkpoint continues bit for bit like one that was never stopped.
    """

    def __init__(
        self,
        method: Method,
        draw: Callable[[int], Batch],
        settings: Mapping[str, Any],
        seed: int,
        device: Device,
    ) -> None:
        self.method = method
        self.step = 0
        self._draw = draw
        self._settings = settings
        self._seed = seed
        self._device = device
        self._stages = method.stages()
        self._ends = _stage_ends(self._stages, settings["steps"])
        self._start = 0
        self._stage = 0
        self._optimizers = self._make_optimizers()
        self._average: AveragedNetwork | None = None
        self._restored = False

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return self._ends[-1]

    def checkpoint(self, key: str) -> Checkpoint:
        """Return the state after the last complete step; raises UserError when a weight is not finite any more."""
        if not all(parameter.isfinite().all() for parameter in self.method.parameters()):
            raise diverged_error("a weight of the network")
        optimizers = {optimizer.objective.name: optimizer.state_dict() for optimizer in self._optimizers}
        average = self._average.state_dict() if self._average else {}
        return Checkpoint(key, self.step, self._stage, self.method.state_dict(), optimizers, self._start, average)

    def restore(self, checkpoint: Checkpoint, *, continues: bool = False) -> None:
        """Restore a checkpoint.

        Args:
            checkpoint: State of this training, or of a shorter one that is continued.
            continues: Whether the checkpoint is the end of a shorter training. Its last stage goes on then, with
                schedules over the new length of that stage.

        Raises:
            UserError: The checkpoint is not one of this method and these settings.
        """
        self.step, self._stage = checkpoint.step, checkpoint.stage
        if not (0 <= self._stage < len(self._stages) and 0 <= self.step <= self.total_steps):
            raise damaged_checkpoint()
        self._start = checkpoint.stage_start
        if self._start == UNKNOWN_START:
            ends = self._ends if not continues else _stage_ends(self._stages, self.step)
            self._start = [0, *ends][self._stage]
        if not 0 <= self._start <= self.step <= self._ends[self._stage]:
            raise damaged_checkpoint()
        self._load(checkpoint, continues)
        self._restored = True

    def _load(self, checkpoint: Checkpoint, continues: bool) -> None:
        try:
            self.method.load_state_dict(checkpoint.method)
            self._optimizers = self._make_optimizers()
            for optimizer in self._optimizers:
                optimizer.load_state_dict(checkpoint.optimizers[optimizer.objective.name])
            self._average = self._make_average()
            # A training that is continued may not have been averaged so far.
            if self._average and (checkpoint.average or not continues):
                self._average.load_state_dict(checkpoint.average)
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
            raise damaged_checkpoint() from error

    def inference_network(self) -> SegmentationNetwork:
        """Return the network that predicts: that of the method or, where the setting says so, its average."""
        return self._average.network if self._average else self.method.inference_network()

    def run(self, hooks: Hooks) -> None:
        """Train to the end, from the first step or the restored one."""
        self.method.train()
        for index in range(self._stage, len(self._stages)):
            start = self._start if self._restored else self.step
            hooks.on_stage_start(self._stages[index], self._ends[index] - start)
            if not self._restored:
                self._start_stage(index, hooks)
            self._restored = False
            self._run_stage(hooks)

    def _start_stage(self, index: int, hooks: Hooks) -> None:
        self._stage, self._start = index, self.step
        stage, drawn = self._stages[index], itertools.count(1)

        def draw(step: int) -> Batch:
            hooks.on_stage_batch(next(drawn), stage.batches)
            return self._draw(step)

        self.seed_step(self.step, "stage")
        self.method.start_stage(stage, draw)
        self._optimizers = self._make_optimizers()
        self._average = self._make_average()

    def _run_stage(self, hooks: Hooks) -> None:
        stage, end = self._stages[self._stage], self._ends[self._stage]
        log, clock = LossLog(), _Clock(self.total_steps)
        while self.step < end:
            training_step = TrainingStep(self.step - self._start, end - self._start, stage.name)
            rate = self.train_step(training_step, log)
            self.step += 1
            if log.end_step() or self.step == end:
                left = clock.seconds_left(self.step)
                hooks.on_report(StepReport(stage.name, self.step, self.total_steps, log.fetch(), rate, left))
            clock.pause()
            hooks.on_step_end(self.step)
            clock.resume()

    def train_step(self, training_step: TrainingStep, log: LossLog) -> float:
        """Draw a batch and step the optimizer of every objective; return the learning rate of the first."""
        batch = self._draw(self.step)
        self.seed_step(self.step, "step")
        rates = [
            optimizer.set_learning_rate(training_step.index, training_step.total_steps)
            for optimizer in self._optimizers
        ]
        for optimizer in self._optimizers:
            with self._device.autocast():
                losses = optimizer.objective.losses(batch, training_step)
            optimizer.step(total(loss.weight * loss.value for loss in losses.values() if loss.weight))
            log.add(losses)
        self.method.after_step(training_step)
        if self._average:
            self._average.update(self.method.inference_network(), training_step.index)
        return rates[0]

    def seed_step(self, step: int, purpose: str) -> None:
        """Seed torch's generators, from which dropout and input noise are drawn."""
        torch.manual_seed(int(generator_at(self._seed, purpose, step).integers(2**63)))

    def _make_optimizers(self) -> list[ObjectiveOptimizer]:
        return [ObjectiveOptimizer(objective, self._settings, self._device) for objective in self.method.objectives()]

    def _make_average(self) -> AveragedNetwork | None:
        """Return the average before the first step of a stage, which may train another network than the one before."""
        return AveragedNetwork(self.method.inference_network()) if self._settings["average_weights"] else None


class _Clock:
    """Time per step of this run, without the time of validations and previews."""

    def __init__(self, total_steps: int) -> None:
        self._total_steps = total_steps
        self._steps = 0
        self._spent = 0.0
        self._since = time.monotonic()

    def pause(self) -> None:
        self._spent += time.monotonic() - self._since
        self._steps += 1

    def resume(self) -> None:
        self._since = time.monotonic()

    def seconds_left(self, step: int) -> float:
        spent = self._spent + time.monotonic() - self._since
        return spent / (self._steps + 1) * (self._total_steps - step)


def _stage_ends(stages: tuple[Stage, ...], steps: int) -> list[int]:
    """Split all steps by the stages' shares and return the step that each stage ends at; rounding goes to the last."""
    lengths = [round(stage.share * steps) for stage in stages[:-1]]
    return [*itertools.accumulate(lengths), steps]

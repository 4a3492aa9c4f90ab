"""The training of a round, with everything that happens between its steps."""

from __future__ import annotations

import hashlib
import json
import math
from functools import partial

import torch

from ...jobs.catalogue import load_catalogue
from ...jobs.events import CheckpointSaved, PreviewReady, StepDone, Validated, WarningRaised
from ...jobs.folder import JobFolder
from ...jobs.results import SEGMENTATIONS
from ...jobs.spec import JobSpec
from ...planning.tasks import UNKNOWN_TASK, case_tasks, find_tasks, interleave_by_task
from ...study.errors import UserError
from ...study.model import Role, Structure
from ..data.batches import BatchSource
from ..device import Device, in_memory_format
from ..inference.bundle import load_bundle
from ..inference.predict import for_prediction
from ..methods.method import Method, MethodContext, Stage
from ..methods.registry import build_method
from ..networks.factory import build_network
from ..training.checkpoint import load_checkpoint, save_checkpoint
from ..training.loop import Hooks, StepReport, TrainingLoop
from ..training.validation import validation_dice
from .case_predictions import predict_case
from .prepare import Preparation
from .reporter import JobStopped, Reporter
from .snapshot import labeled_cases, snapshot

# Labeled cases that give a preview its prototypes: enough to look at, and quick.
_PREVIEW_LABELED_CASES = 4


class TrainingRound:
    """The training of one round, with everything that happens between its steps."""

    def __init__(
        self, folder: JobFolder, spec: JobSpec, reporter: Reporter, prepared: Preparation, device: Device
    ) -> None:
        self._folder, self._spec, self._reporter = folder, spec, reporter
        self._prepared, self._device = prepared, device
        self._settings = prepared.settings
        self._key = _job_key(spec, prepared)
        self._validation = [case for case in prepared.cases if case.role is Role.VALIDATION]
        self.method = _build_method(spec, prepared, device)
        streams = load_catalogue().method(spec.method).streams
        self._batches = BatchSource(prepared.cases, streams, prepared.plan, prepared.settings, spec.seed, device.torch)
        self._loop = TrainingLoop(self.method, self._batches, prepared.settings, spec.seed, device)

    def train(self) -> None:
        """Train from the last checkpoint, or from the beginning, to the end."""
        checkpoint = load_checkpoint(self._folder.checkpoints, self._key, self._device.torch)
        if checkpoint is not None:
            self._loop.restore(checkpoint)
        for warning in self.method.warnings():
            self._reporter.emit(WarningRaised(warning))
        if self._loop.step < self._loop.total_steps:
            self._batches.prepare(self._loop.step)
        hooks = Hooks(self._on_stage, self._on_report, self._after_step, self._reporter.progress)
        try:
            finished = self._loop.run(hooks)
        finally:
            self._batches.close()
        if not finished:
            raise JobStopped(self._loop.step)

    def _on_stage(self, stage: Stage, steps: int) -> None:
        # A stage that looks at many batches first can be stopped meanwhile; the steps until then shall not be lost.
        if stage.batches and self._loop.step > self._reporter.saved_step:
            self._save(self._loop.step)
        self._reporter.start_stage(stage.name, stage.title, steps)

    def _on_report(self, report: StepReport) -> None:
        self._reporter.emit(StepDone(**vars(report)))
        self._reporter.update_status(report.step, report.total_steps)

    def _after_step(self, step: int) -> bool:
        stop = self._reporter.stop_requested()
        last = step == self._loop.total_steps
        if stop or last or _is_due(step, self._settings["checkpoint_interval"]):
            self._save(step)
        if stop:
            return False
        if self._validation and (last or _is_due(step, self._settings["validation_interval"])):
            self._validate(step)
        if not last and _is_due(step, self._settings["preview_interval"]):
            self._preview(step)
        return True

    def _save(self, step: int) -> None:
        save_checkpoint(self._folder.checkpoints, self._loop.checkpoint(self._key))
        self._reporter.saved_step = step
        self._reporter.emit(CheckpointSaved(step))

    def _validate(self, step: int) -> None:
        network = self.method.inference_network()
        dice = validation_dice(network, self._validation, self._prepared.plan, self._settings, self._device)
        # Where no validation case shows a structure, nothing is known of it.
        scored = zip(self._spec.structures, dice, strict=True)
        by_name = {structure.name: value for structure, value in scored if not math.isnan(value)}
        if by_name:
            self._reporter.emit(Validated(step, by_name, sum(by_name.values()) / len(by_name)))

    def _preview(self, step: int) -> None:
        labeled = interleave_by_task(labeled_cases(self._prepared))[:_PREVIEW_LABELED_CASES]
        model = for_prediction(snapshot(self._spec, self._prepared, self.method, self._device, labeled))
        place = self._folder.previews
        for case in self._spec.cases:
            if case.id in self._spec.preview_cases:
                predict_case(model, case, place, self._settings, self._device)
                files: dict[str, str] = {kind: f"{place.name}/{case.id}/{name}" for kind, name in SEGMENTATIONS.items()}
                self._reporter.emit(PreviewReady(step, case.id, files))


def _is_due(step: int, interval: int) -> bool:
    return interval > 0 and step % interval == 0


def _job_key(spec: JobSpec, prepared: Preparation) -> str:
    content = json.dumps([spec.to_json(), prepared.plan.to_dict(), prepared.settings], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _build_method(spec: JobSpec, prepared: Preparation, device: Device) -> Method:
    plan = prepared.plan
    torch.manual_seed(spec.seed)
    tasks = find_tasks(prepared.cases, plan.num_classes)
    unlabeled = [case for case in prepared.cases if case.role is Role.UNLABELED]
    context = MethodContext(
        partial(build_network, plan.network, plan.in_channels, plan.num_classes),
        plan.num_classes,
        plan.dimensions,
        prepared.settings,
        tasks,
        any(task != UNKNOWN_TASK for task in case_tasks(unlabeled, tasks, plan.num_classes)),
    )
    method = build_method(spec.method, context)
    if spec.warm_start is not None:
        _warm_start(method, spec.warm_start, spec.structures)
    memory_format = torch.channels_last if plan.dimensions == 2 else torch.channels_last_3d
    return in_memory_format(method.to(device.torch), memory_format)


def _warm_start(method: Method, bundle: str, structures: tuple[Structure, ...]) -> None:
    model = load_bundle(bundle)
    if model.structures != structures:
        raise UserError(
            "The earlier model was trained for other structures than the study has now.",
            "Start from scratch, or restore the structures.",
        )
    try:
        method.student.load_state_dict(model.network.state_dict())
    except RuntimeError as error:
        raise UserError(
            f"The earlier model is a {model.plan.network}, which this round does not train.",
            "Choose the same network and dimension, or start from scratch.",
        ) from error

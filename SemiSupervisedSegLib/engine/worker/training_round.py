"""The training of a round, and its trained model at any step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from ...jobs.continuation import earlier_round, no_checkpoint
from ...jobs.events import CheckpointSaved, PreviewReady, StepDone, Validated, WarningRaised
from ...jobs.folder import JobFolder
from ...jobs.results import SEGMENTATIONS
from ...jobs.round_key import round_key
from ...planning.cached_case import CachedCase
from ...planning.round_plan import read_memory_order, write_memory_order
from ...planning.tasks import UNKNOWN_TASK, case_tasks, find_tasks, interleave_by_task
from ...study.errors import UserError
from ...study.model import Role
from ..data.batches import BatchSource
from ..device import in_memory_format
from ..inference.bundle import TrainedModel, load_bundle
from ..inference.class_gaussians import pool_class_gaussians
from ..inference.class_prototypes import pool_class_prototypes
from ..inference.labeled_windows import LabeledGrid
from ..inference.predict import optimize_model
from ..inference.prototype_classifiers import PrototypeClassifier
from ..memory_order import ORDERS, MemoryOrder, fastest_memory_order, memory_format
from ..methods.method import Method, MethodContext, Stage
from ..methods.registry import build_method
from ..networks.factory import build_network
from ..training.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from ..training.loop import Hooks, StepReport, TrainingLoop
from ..training.processor_time import ProcessorTime
from ..training.validation import validation_dice
from .case_predictions import CasePredictor
from .prepare import JobContext
from .reporter import JobStopped
from .warm_start import start_from_model

# Labeled cases that give a preview its prototypes: few, so that a preview takes little of the training's time.
_PREVIEW_LABELED_CASES = 4


class TrainingRound:
    """The training of one round, with everything that happens between its steps."""

    def __init__(self, context: JobContext) -> None:
        self._context, self._reporter = context, context.reporter
        self._reporter.start_stage("build", "Building the network")
        self._key = round_key(context.folder)
        order = memory_format(_memory_order(context), context.plan.dimensions)
        self._method = in_memory_format(_build_method(context), order)
        self._batches = BatchSource(
            context.cases,
            context.method_entry.streams,
            context.plan,
            context.settings,
            context.spec.seed,
            context.device.torch,
            order,
        )
        self._loop = TrainingLoop(self._method, self._batches, context.settings, context.spec.seed, context.device)
        self._time = ProcessorTime()

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time of the steps that led to the model, over all workers; None where an older program began."""
        return saved_cpu_seconds(self._context.folder, self._loop.step)

    def train(self) -> None:
        """Train from the last checkpoint, or from the beginning, to the end.

        Raises:
            UserError: The training has diverged, or a file cannot be read or written.
            JobStopped: The user requested a stop; a checkpoint was saved.
        """
        self._restore()
        for warning in self._method.warnings():
            self._reporter.emit(WarningRaised(warning))
        if self._loop.step < self._loop.total_steps:
            self._batches.prepare(self._loop.step)
        try:
            self._loop.run(Hooks(self._on_stage_start, self._on_report, self._on_step_end, self._reporter.progress))
        finally:
            self._batches.close()

    def _restore(self) -> None:
        """Restore the round's last checkpoint, else that of the round whose training it continues, if it does."""
        spec, device = self._context.spec, self._context.device.torch
        checkpoint = load_checkpoint(self._context.folder.checkpoints, self._key, device)
        if checkpoint is not None:
            self._loop.restore(checkpoint)
            # What was computed after the checkpoint and is computed again now counts once.
            self._time = ProcessorTime(saved_cpu_seconds(self._context.folder, self._loop.step))
        elif spec.continues:
            earlier = earlier_round(spec)
            checkpoint = load_checkpoint(earlier.checkpoints, round_key(earlier), device)
            if checkpoint is None:
                raise no_checkpoint(earlier)
            self._loop.restore(checkpoint, continues=True)
            # From here on the earlier round may be deleted.
            self._save(self._loop.step)

    def trained_model(self, labeled: Sequence[CachedCase]) -> TrainedModel:
        """Return the network as it is now, with prototypes pooled over some labeled cases, read one at a time."""
        context, method = self._context, self._method
        network = self._loop.inference_network()
        arrays = ((case, case.load()) for case in labeled)
        grids = (LabeledGrid(a.image, a.labels, case.annotated) for case, a in arrays if a.labels is not None)
        pool: Callable[..., PrototypeClassifier] = pool_class_gaussians
        if context.settings.get("prototype_classifier") == "cosine":
            pool = partial(pool_class_prototypes, level=method.prototype_level)
        classifier = pool(network, grids, context.plan, device=context.device.torch, autocast=context.device.autocast())
        spec = context.spec
        return TrainedModel(
            network=network,
            plan=replace(context.plan, network=method.network_spec(context.plan.network)),
            structures=spec.structures,
            method=spec.method,
            classifier=classifier,
            training={
                "study": spec.study_name,
                "preset": spec.preset,
                "seed": spec.seed,
                "settings": context.settings,
                "versions": spec.versions,
            },
            shared_anatomy=method.shared_anatomy,
        )

    def _on_stage_start(self, stage: Stage, steps: int) -> None:
        # A stage may draw many batches before its first step and be stopped meanwhile; no step until then is lost.
        if stage.batches and self._loop.step > self._reporter.saved_step:
            self._save(self._loop.step)
        self._reporter.start_stage(stage.name, stage.title, steps)
        self._reporter.count_step(self._loop.step, self._loop.total_steps)

    def _on_report(self, report: StepReport) -> None:
        self._reporter.emit(StepDone(**vars(report)))
        self._reporter.update_status(report.step, report.total_steps)

    def _on_step_end(self, step: int) -> None:
        settings, last = self._context.settings, step == self._loop.total_steps
        self._reporter.count_step(step, self._loop.total_steps)
        stop = self._reporter.stop_requested()
        if stop or last or _is_due(step, settings["checkpoint_interval"]):
            self._save(step)
        if stop:
            # After its last step the training is complete, and the job stops while it predicts.
            if not last:
                raise JobStopped(step)
            return
        if last or _is_due(step, settings["validation_interval"]):
            with self._time.paused():
                self._validate(step)
        if not last and _is_due(step, settings["preview_interval"]):
            with self._time.paused():
                self._preview(step)

    def _save(self, step: int) -> None:
        save_checkpoint(self._context.folder.checkpoints, self._loop.checkpoint(self._key))
        self._reporter.saved_step = step
        self._reporter.emit(CheckpointSaved(step, self._time.seconds))

    def _validate(self, step: int) -> None:
        context = self._context
        cases = context.cases_of(Role.VALIDATION)
        if not cases:
            return
        dice = validation_dice(
            self._loop.inference_network(),
            cases,
            context.plan,
            context.settings,
            context.device,
            shared_anatomy=self._method.shared_anatomy,
        )
        # Where no validation case shows a structure, nothing is known of it.
        scored = zip(context.spec.structures, dice, strict=True)
        by_name = {structure.name: value for structure, value in scored if not math.isnan(value)}
        if by_name:
            self._reporter.emit(Validated(step, by_name, sum(by_name.values()) / len(by_name)))

    def _preview(self, step: int) -> None:
        context = self._context
        labeled = interleave_by_task(context.cases_of(Role.LABELED))[:_PREVIEW_LABELED_CASES]
        model = optimize_model(self.trained_model(labeled))
        predictor = CasePredictor(model, context.folder.previews, context.settings, context.device)
        for case in context.spec.cases:
            if case.id in context.spec.preview_cases:
                predictor.predict(case)
                files: dict[str, str] = {
                    kind: f"{context.folder.previews.name}/{case.id}/{name}" for kind, name in SEGMENTATIONS.items()
                }
                self._reporter.emit(PreviewReady(step, case.id, files))


def saved_cpu_seconds(folder: JobFolder, step: int) -> float | None:
    """Return the processor time of a training up to its last checkpoint, None where the events do not tell.

    Args:
        folder: Folder of the round.
        step: Step of the checkpoint.
    """
    events, _ = folder.events()
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    # A worker that was killed between the two has left a checkpoint without its event.
    return saved[-1].cpu_seconds if saved and saved[-1].step == step else None


def _is_due(step: int, interval: int) -> bool:
    return interval > 0 and step % interval == 0


def _build_method(context: JobContext) -> Method:
    plan, spec = context.plan, context.spec
    torch.manual_seed(spec.seed)
    tasks = find_tasks(context.cases, plan.num_classes)
    unlabeled_tasks = case_tasks(context.cases_of(Role.UNLABELED), tasks, plan.num_classes)
    method = build_method(
        spec.method,
        MethodContext(
            partial(build_network, plan.network.backbone, plan.in_channels, plan.num_classes),
            plan.num_classes,
            plan.dimensions,
            context.settings,
            tasks,
            any(task != UNKNOWN_TASK for task in unlabeled_tasks),
        ),
    )
    # A checkpoint has all weights, and the earlier model may be gone by now.
    if spec.warm_start is not None and not spec.continues and not has_checkpoint(context.folder.checkpoints):
        start_from_model(method.student, load_bundle(spec.warm_start), spec.structures)
    return method.to(context.device.torch)


def _memory_order(context: JobContext) -> MemoryOrder:
    """Return the memory order that the round began with, or the faster one for a new round."""
    kept = read_memory_order(context.folder)
    if kept is not None:
        if kept not in ORDERS:
            raise UserError("plan.json of the round is damaged.", "Start a new round.")
        return kept
    plan = context.plan
    # Older programs always trained channels-last.
    order: MemoryOrder = "channels_last"
    if not has_checkpoint(context.folder.checkpoints):
        network = build_network(plan.network.backbone, plan.in_channels, plan.num_classes)
        order = fastest_memory_order(network, plan.patch, context.device)
    write_memory_order(context.folder, order)
    return order

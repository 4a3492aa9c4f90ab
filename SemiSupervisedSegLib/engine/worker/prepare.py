"""From the files of a job to everything that its training needs: device, plan, settings and preprocessed cases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ...jobs.catalogue import MethodEntry, load_catalogue
from ...jobs.continuation import earlier_round
from ...jobs.events import CheckpointSaved, Started, WarningRaised
from ...jobs.folder import JobFolder
from ...jobs.needs import missing
from ...jobs.spec import JobSpec
from ...planning.cache import prepare_cache
from ...planning.cached_case import CachedCase
from ...planning.fingerprint import fingerprint
from ...planning.plan import Plan
from ...planning.round_plan import RoundPlan, continue_round_plan, plan_round, read_round_plan, write_round_plan
from ...planning.warm_start import check_warm_start, warm_start_warnings
from ...planning.warnings import case_warnings, field_of_view_warnings
from ...study.files import check_stays_inside
from ...study.layout import study_of_job
from ...study.model import Role
from ..device import Device, choose_device
from ..training.checkpoint import has_checkpoint
from .reporter import Reporter


@dataclass(frozen=True)
class JobContext:
    """Everything that the training of a round needs; made once, in `prepare`.

    Attributes:
        folder: Folder of the round.
        spec: Specification of the job.
        method_entry: Catalogue entry of the method.
        settings: Value of every setting.
        plan: Plan of the study.
        cases: Preprocessed cases in the cache.
        device: Device and precision of all networks.
        reporter: Writer of events, and reader of requests to stop.
    """

    folder: JobFolder
    spec: JobSpec
    method_entry: MethodEntry
    settings: dict[str, Any]
    plan: Plan
    cases: tuple[CachedCase, ...]
    device: Device
    reporter: Reporter

    def cases_of(self, role: Role) -> list[CachedCase]:
        """Return the cases of a role."""
        return [case for case in self.cases if case.role is role]


def prepare(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> JobContext:
    """Check, plan and preprocess a job; a resumed job keeps the plan it began with.

    Raises:
        UserError: A file cannot be used, the device is absent, or settings do not fit the study.
        JobStopped: A stop was requested.
    """
    entry = load_catalogue().method(spec.method)
    # Where a job computes is known before its images are: neither setting depends on the dimensions.
    early = load_catalogue().resolve_job(spec)
    device = choose_device(spec.device, str(early["precision"]), int(early["threads"]))
    if (problem := missing(spec.cases, entry)) is not None:
        raise problem
    saved_step = _saved_step(folder)
    reporter.saved_step = saved_step or 0
    reporter.emit(Started(device.title, os.getpid(), saved_step))
    for warning in warm_start_warnings(spec):
        reporter.emit(WarningRaised(warning))
    round_plan = read_round_plan(folder, spec) or _make_plan(folder, spec, reporter)
    if saved_step is None:
        check_warm_start(spec, round_plan.plan)
    cases = _preprocess(folder, spec, round_plan.plan, reporter)
    for warning in case_warnings(cases, spec.structures, round_plan.plan, float(round_plan.settings["in_plane_scale"])):
        reporter.emit(WarningRaised(warning))
    return JobContext(folder, spec, entry, round_plan.settings, round_plan.plan, cases, device, reporter)


def _saved_step(folder: JobFolder) -> int | None:
    """Return the step of the checkpoint that an earlier worker left, None without one."""
    events, _ = folder.events()
    steps = [event.step for event in events if isinstance(event, CheckpointSaved)]
    return steps[-1] if steps and has_checkpoint(folder.checkpoints) else None


def _make_plan(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> RoundPlan:
    if spec.continues:
        return continue_round_plan(folder, spec, earlier_round(spec))
    reporter.start_stage("inspect", "Looking at images", len(spec.cases))
    measured = fingerprint(spec.cases, spec.structures, reporter.progress)
    for warning in field_of_view_warnings(measured):
        reporter.emit(WarningRaised(warning))
    num_classes = 1 + len(spec.structures)
    assert spec.modality is not None, "jobs that train have a modality"
    round_plan = plan_round(measured, spec.modality, num_classes, spec.method, spec.preset, spec.settings)
    write_round_plan(folder, round_plan)
    return round_plan


def _preprocess(folder: JobFolder, spec: JobSpec, plan: Plan, reporter: Reporter) -> tuple[CachedCase, ...]:
    reporter.start_stage("preprocess", "Preparing images", len(spec.cases))
    study = study_of_job(folder.path)
    check_stays_inside(study.cache / plan.key(), study.path)
    return prepare_cache(spec.cases, plan, study.cache, spec.structures, reporter.progress)

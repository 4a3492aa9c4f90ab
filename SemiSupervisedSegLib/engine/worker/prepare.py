"""From the cases of a job to a plan, complete settings and preprocessed cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...jobs.events import WarningRaised
from ...jobs.folder import JobFolder
from ...jobs.spec import JobSpec
from ...planning.cache import prepare_cache
from ...planning.cached_case import CachedCase
from ...planning.fingerprint import fingerprint
from ...planning.plan import Plan
from ...planning.round_plan import RoundPlan, plan_round, read_round_plan, write_round_plan
from ...planning.warnings import case_warnings, field_of_view_warnings
from ...study.files import check_stays_inside
from ...study.layout import StudyFolder
from .reporter import Reporter


@dataclass(frozen=True)
class Preparation:
    """What training needs beside a device: the plan, every setting, and the cases in the cache."""

    plan: Plan
    settings: dict[str, Any]
    cases: tuple[CachedCase, ...]


def prepare(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> Preparation:
    """Plan and preprocess a job; a resumed job keeps the plan it began with.

    Raises:
        UserError: a file cannot be used, or settings do not fit the study.
        JobStopped: the user asked to end.
    """
    made = read_round_plan(folder, spec) or _make_plan(folder, spec, reporter)
    reporter.start_stage("preprocess", "Preparing images", len(spec.cases))
    cache = StudyFolder(study_folder(folder)).cache
    check_stays_inside(cache / made.plan.key(), study_folder(folder))
    cases = prepare_cache(spec.cases, made.plan, cache, spec.structures, reporter.progress)
    for warning in case_warnings(cases, spec.structures, made.plan, float(made.settings["in_plane_scale"])):
        reporter.emit(WarningRaised(warning))
    return Preparation(made.plan, made.settings, cases)


def study_folder(folder: JobFolder) -> Path:
    """Return the study that a round belongs to: rounds are folders STUDY/rounds/NNN-method."""
    return folder.path.parents[1]


def _make_plan(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> RoundPlan:
    reporter.start_stage("inspect", "Looking at images", len(spec.cases))
    found = fingerprint(spec.cases, spec.structures, reporter.progress)
    for warning in field_of_view_warnings(found):
        reporter.emit(WarningRaised(warning))
    num_classes = 1 + len(spec.structures)
    assert spec.modality is not None, "jobs that train have a modality"
    made = plan_round(found, spec.modality, num_classes, spec.method, spec.preset, spec.settings)
    write_round_plan(folder, made)
    return made

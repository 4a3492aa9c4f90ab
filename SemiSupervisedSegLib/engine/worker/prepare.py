"""From the cases of a job to a plan, complete settings and preprocessed cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...jobs.catalogue import load_catalogue
from ...jobs.folder import JobFolder
from ...jobs.spec import JobSpec
from ...planning.cache import CachedCase, prepare_cache
from ...planning.fingerprint import fingerprint
from ...planning.plan import Plan, choose_dimensions, make_plan
from ...study.errors import UserError
from ...study.files import check_stays_inside, write_text_atomically
from .reporter import Reporter

PLAN = "plan.json"
CACHE = "cache"


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
    plan, settings = _read_plan(folder, spec) or _make_plan(folder, spec, reporter)
    reporter.start_stage("preprocess", "Preparing images", len(spec.cases))
    cache = study_folder(folder) / CACHE
    check_stays_inside(cache / plan.key(), study_folder(folder))
    cases = prepare_cache(spec.cases, plan, cache, spec.structures, reporter.progress)
    return Preparation(plan, settings, cases)


def study_folder(folder: JobFolder) -> Path:
    """Return the study that a round belongs to: rounds are folders STUDY/rounds/NNN-method."""
    return folder.path.parents[1]


def _make_plan(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> tuple[Plan, dict[str, Any]]:
    catalogue = load_catalogue()
    reporter.start_stage("inspect", "Looking at images", len(spec.cases))
    found = fingerprint(spec.cases, spec.structures, reporter.progress)
    num_classes = 1 + len(spec.structures)
    # Presets differ for slices and volumes, and which of them it is depends on the images.
    dimensions = choose_dimensions(found, spec.settings.get("dimension", "auto"))
    settings = catalogue.resolve(spec.method, spec.preset, spec.settings, dimensions)
    plan = make_plan(found, spec.modality, num_classes, settings)
    content = {"plan": plan.to_dict(), "settings": settings}
    write_text_atomically(folder.path / PLAN, json.dumps(content, indent=2) + "\n")
    return plan, settings


def _read_plan(folder: JobFolder, spec: JobSpec) -> tuple[Plan, dict[str, Any]] | None:
    path = folder.path / PLAN
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        plan, settings = Plan.from_dict(content["plan"]), dict(content["settings"])
        # The program may have learned further settings since the round began.
        expected = load_catalogue().resolve(spec.method, spec.preset, spec.settings, plan.dimensions)
        _check_settings(spec, settings, expected)
        if plan.num_classes != 1 + len(spec.structures):
            raise ValueError("it is for other structures")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError) as error:
        raise UserError("plan.json of the round is damaged.", "Start a new round.") from error
    return plan, expected | settings


def _check_settings(spec: JobSpec, settings: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise ValueError, TypeError or UserError when a setting is not as a plan has it."""
    known = {setting.name: setting for setting in load_catalogue().method(spec.method).settings}
    for name, value in settings.items():
        if name in known:
            value = known[name].parse(value)
        if name in expected and type(settings[name]) is not type(expected[name]):
            raise ValueError(f"{name} is of another type")
        if name not in known and value != expected.get(name, value):
            raise ValueError(f"{name} has no meaning here")

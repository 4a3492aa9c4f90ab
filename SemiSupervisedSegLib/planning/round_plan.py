"""The plan and the complete settings of a round: decided once from its images, stored in plan.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..jobs.catalogue import load_catalogue
from ..jobs.folder import JobFolder
from ..jobs.round_key import PLAN_FILE
from ..jobs.spec import JobSpec, SettingValue
from ..study.errors import UserError
from ..study.files import write_text_atomically
from ..study.model import Modality
from .fingerprint import Fingerprint
from .make_plan import choose_dimensions, make_plan
from .plan import Plan


@dataclass(frozen=True)
class RoundPlan:
    """What a round is trained with: the plan, and a value for every setting of its method."""

    plan: Plan
    settings: dict[str, SettingValue]


def plan_round(
    fingerprint: Fingerprint,
    modality: Modality,
    num_classes: int,
    method: str,
    preset: str,
    overrides: Mapping[str, SettingValue],
) -> RoundPlan:
    """Complete the settings of a round and make its plan.

    Args:
        fingerprint: Fingerprint of the cases that are trained on.
        modality: Modality of all images.
        num_classes: Number of classes, background included.
        method: Id of the method.
        preset: Id of the preset.
        overrides: Settings that the user changed.

    Raises:
        UserError: A setting is unknown, out of range, or does not fit the images.
    """
    # Presets differ for slices and volumes, and which of them it is depends on the images.
    dimensions = choose_dimensions(fingerprint, str(overrides.get("dimension", "auto")))
    settings = load_catalogue().resolve(method, preset, overrides, dimensions)
    return RoundPlan(make_plan(fingerprint, modality, num_classes, settings), settings)


def write_round_plan(folder: JobFolder, round_plan: RoundPlan, memory_order: str | None = None) -> None:
    """Write plan.json of a round.

    Args:
        folder: Folder of the round.
        round_plan: Plan and settings.
        memory_order: Memory order of the training, None where it is chosen later; see `engine.memory_order`.

    Raises:
        UserError: It cannot be written.
    """
    content: dict[str, Any] = {"plan": round_plan.plan.to_dict(), "settings": round_plan.settings}
    if memory_order is not None:
        content["memory_order"] = memory_order
    write_text_atomically(folder.path / PLAN_FILE, json.dumps(content, indent=2) + "\n")


def read_round_plan(folder: JobFolder, spec: JobSpec) -> RoundPlan | None:
    """Return what `write_round_plan` wrote; None before a round has a plan.

    Settings that the program has learned since take their default.

    Raises:
        UserError: The file is damaged or belongs to another job.
    """
    path = folder.path / PLAN_FILE
    if not path.exists():
        return None
    damaged = UserError("plan.json of the round is damaged.", "Start a new round.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        plan, settings = Plan.from_dict(content["plan"]), dict(content["settings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError) as error:
        raise damaged from error
    # A job from an earlier version may have settings that its method now refuses: that is no damage.
    expected = load_catalogue().resolve_job(spec, plan.dimensions)
    try:
        _check_settings(spec, settings, expected)
        if plan.num_classes != 1 + len(spec.structures):
            raise ValueError("it is for other structures")
    except (ValueError, KeyError, TypeError, UserError) as error:
        raise damaged from error
    return RoundPlan(plan, expected | settings)


def continue_round_plan(folder: JobFolder, spec: JobSpec, earlier: JobFolder) -> RoundPlan:
    """Make plan.json of a round that continues the training of an earlier one, of which only the steps change.

    Args:
        folder: Folder of the round, without a plan.
        spec: Job of the round.
        earlier: Folder of the round that is continued.

    Raises:
        UserError: The earlier round has no plan, or a file is damaged or cannot be written.
    """
    before = read_round_plan(earlier, earlier.spec())
    if before is None:
        raise UserError(f"The round {earlier.name} has no plan any more.", "Start a new round.")
    round_plan = RoundPlan(before.plan, before.settings | {"steps": spec.settings["steps"]})
    write_round_plan(folder, round_plan, read_memory_order(earlier))
    return round_plan


def read_round_settings(folder: JobFolder) -> dict[str, Any]:
    """Return the unchecked settings of plan.json, none where the file is missing or damaged."""
    try:
        return dict(json.loads((folder.path / PLAN_FILE).read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def read_unchecked_plan(folder: JobFolder) -> RoundPlan | None:
    """Return the plan of a round without its job, which takes long to read; None where it is missing or damaged."""
    try:
        content = _read_content(folder)
        return RoundPlan(Plan.from_dict(content["plan"]), dict(content["settings"]))
    except (UserError, KeyError, TypeError, ValueError):
        return None


def read_memory_order(folder: JobFolder) -> str | None:
    """Return the memory order that a round trains in, None where it has not been chosen; see `engine.memory_order`.

    Raises:
        UserError: The file plan.json is damaged.
    """
    return _read_content(folder).get("memory_order")


def write_memory_order(folder: JobFolder, order: str) -> None:
    """Keep the memory order of a round, so that a resumed training computes the same; raises UserError as above."""
    content = _read_content(folder) | {"memory_order": order}
    write_text_atomically(folder.path / PLAN_FILE, json.dumps(content, indent=2) + "\n")


def _read_content(folder: JobFolder) -> dict[str, Any]:
    try:
        return dict(json.loads((folder.path / PLAN_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError("plan.json of the round is damaged.", "Start a new round.") from error


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

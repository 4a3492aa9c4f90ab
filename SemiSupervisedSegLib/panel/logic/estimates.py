"""Rough memory and time of a training.

Both follow from the sizes of patches, batches and images, with figures measured on this project's networks; the time
needs the device's speed as well, and what earlier rounds took, in this study or on this computer, corrects it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...jobs.folder import JobFolder
from ...jobs.spec import SettingValue
from ...planning.fingerprint import CaseFingerprint, Fingerprint, case_fingerprint
from ...planning.orientation import triple
from ...planning.round_plan import RoundPlan, plan_round, read_round_settings, read_unchecked_plan
from ...study.errors import UserError
from ...study.geometry import Geometry
from ...study.model import Modality
from .devices import DeviceInfo
from .round_times import (
    CaseCounts,
    RoundTimes,
    expected_times,
    finishing_seconds,
    images_per_step,
    in_half_precision,
    measured_times,
    steps_seconds,
)

_GIGA = 1e9
# Settings that decide how long a step takes.
_DECISIVE = (
    *(f"{name}_batch" for name in ("labeled", "unlabeled", "external")),
    "patch_size",
    "in_plane_scale",
    "dimension",
    "network",
    "precision",
    "threads",
)
# Of the events of a long round: enough for a validation and the segmentation of some cases, and read at once.
_LAST_BYTES = 128 * 1024
# What a forward pass keeps for the way back in float32, in bytes a voxel, from peak memory at 64x64 and 48x48x48.
_KEPT_BYTES = {2: 2400.0, 3: 1900.0}
_HALF = 0.6
# PyTorch with its libraries, the networks, and their optimizer.
_BASE_BYTES = 0.7 * _GIGA
# What structures take of an image along each axis; nobody waits here until annotations were read.
_USUAL_EXTENT = 0.2
_COMMON_CASE = CaseFingerprint("common", (12, 256, 256), (8.0, 1.0, 1.0))


@dataclass(frozen=True)
class Estimate:
    """Rough memory and time of a training.

    Attributes:
        memory: Memory on the device in bytes.
        steps: Time of all steps, with validations and previews, in seconds; None when it is not known.
        finishing: Time of the segmentation of all cases at the end in seconds, 0 when it is not known.
        like: Name of the earlier round with the same settings that the time comes from, empty without one.
    """

    memory: float
    steps: float | None
    finishing: float = 0.0
    like: str = ""

    @property
    def seconds(self) -> float | None:
        """The time of the whole training in seconds, None when it is not known."""
        return None if self.steps is None else self.steps + self.finishing


def expected_plan(
    geometries: Sequence[Geometry], method: str, preset: str, overrides: Mapping[str, SettingValue]
) -> RoundPlan:
    """Return the plan and the settings that the worker would choose for images such as these.

    Args:
        geometries: Grids of some images of the study; without any, a stack of common slices stands for them.
        method: Id of the method.
        preset: Id of the preset.
        overrides: Settings that the user changed.

    Raises:
        UserError: A setting is out of range or does not fit the images.
    """
    cases = [case_fingerprint(str(number), geometry) for number, geometry in enumerate(geometries)]
    seen = Fingerprint(tuple(cases) or (_COMMON_CASE,), None)
    lengths = zip(seen.median_size, seen.median_spacing, strict=True)
    seen = replace(seen, extent=triple(_USUAL_EXTENT * size * spacing for size, spacing in lengths))
    # Neither time nor memory depends on intensities or on the number of classes. With MR no voxel has to be read.
    return plan_round(seen, Modality.MR, 2, method, preset, overrides)


def expected_memory(patch: Sequence[int], settings: Mapping[str, SettingValue], device: DeviceInfo | None) -> float:
    """Return the memory on the device in bytes.

    Args:
        patch: Sides of a patch in voxels, two for slices or three for volumes.
        settings: Values of all settings of the training.
        device: Device of the training, None when not known yet.
    """
    voxels = sum(images_per_step(settings).values()) * math.prod(patch)
    return _BASE_BYTES + voxels * _KEPT_BYTES[len(patch)] * (_HALF if in_half_precision(settings, device) else 1.0)


def estimate(
    round_plan: RoundPlan,
    images: Sequence[Geometry],
    counts: CaseCounts,
    device: DeviceInfo | None,
    factors: RoundTimes | None = None,
    like: str = "",
) -> Estimate:
    """Estimate what a training takes.

    Args:
        round_plan: Plan and settings of the training.
        images: Grids of some typical images.
        counts: Cases that it validates on and segments.
        device: Device of the training, None when not known yet.
        factors: By how much earlier rounds took longer than expected; None without any.
        like: Name of the round that the factors come from if it has the same settings.
    """
    plan, settings = round_plan.plan, round_plan.settings
    times = expected_times(plan, settings, images, device).times(factors or RoundTimes())
    memory = expected_memory(plan.patch, settings, device)
    return Estimate(memory, steps_seconds(times, settings, counts), finishing_seconds(times, counts), like)


def factors_of(
    folder: JobFolder, images: Sequence[Geometry], device: DeviceInfo | None, computer: str
) -> RoundTimes | None:
    """Return by how much a training took longer than expected; None when it says nothing of this device.

    Args:
        folder: Folder of a round.
        images: Grids of some typical images.
        device: Device of the next training.
        computer: Name of this computer.
    """
    try:
        if device is None or folder.head().device != device.name or folder.status().host != computer:
            return None
        trained = read_unchecked_plan(folder)
        events, _ = folder.events(max(0, folder.end_of_events() - _LAST_BYTES))
    except (OSError, UserError):
        return None
    if trained is None:
        return None
    measured = measured_times(events)
    return measured.ratio_to(expected_times(trained.plan, trained.settings, images, device)) if measured.step else None


def trained_like(folder: JobFolder, method: str, settings: Mapping[str, SettingValue], device: str) -> bool:
    """Return whether the settings and the device of a round are those that decide the time of a step."""
    head, trained = folder.head(), read_round_settings(folder)
    same = bool(trained) and all(trained.get(name) == settings.get(name) for name in _DECISIVE)
    return same and (head.method, head.device) == (method, device)


def describe_estimate(expected: Estimate, device: DeviceInfo | None) -> str:
    """Return the estimate as text for the user, with a warning where it does not fit the device."""
    memory = f"about {expected.memory / _GIGA:.1f} GB of memory"
    if expected.seconds is None:
        return f"Takes {memory}. How long shows after the first steps."
    like = f", as {expected.like} did" if expected.like else ""
    text = f"Takes {memory} and {rough_duration(expected.seconds)}{like}"
    text += ", with the segmentation of all images." if expected.finishing else "."
    if device is not None and device.free and expected.memory > device.free:
        text += " That may be more than is free: lower the images per step, or choose another device."
    return text


def rough_duration(seconds: float) -> str:
    """Return a rough duration as text, such as about 2 hours."""
    if seconds < 45:
        return "less than a minute"
    if seconds < 90:
        return "about a minute"
    if seconds < 90 * 60:
        return f"about {_rounded(seconds / 60)} minutes"
    if seconds < 48 * 3600:
        return f"about {_rounded(seconds / 3600)} hours"
    return f"about {_rounded(seconds / 86400)} days"


def _rounded(value: float) -> int:
    # Two figures would promise a precision that an estimate does not have.
    step = 1 if value < 15 else 5
    return step * round(value / step)

"""Rough memory and time of a training.

Where a round with the same settings was trained before, its pace counts. Else memory and work are derived from
the sizes of patches and batches with figures measured on this project's networks, and time from the device's speed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...jobs.events import StepDone
from ...jobs.folder import JobFolder
from ...jobs.spec import SettingValue
from ...planning.fingerprint import CaseFingerprint, Fingerprint, case_fingerprint
from ...planning.round_plan import RoundPlan, plan_round, read_round_settings
from ...study.errors import UserError
from ...study.geometry import Geometry
from ...study.model import Modality
from .devices import DeviceInfo

_GIGA = 1e9
_STREAMS = ("labeled", "unlabeled", "external")
# Settings that decide how long a step takes.
_DECISIVE = (
    *(f"{name}_batch" for name in _STREAMS),
    "patch_size",
    "in_plane_scale",
    "dimension",
    "network",
    "precision",
    "threads",
)
# Of the events of a long round: enough for many steps, and read at once.
_LAST_BYTES = 16 * 1024
# Of one forward pass, in FLOP a voxel, and of what it keeps for the way back in float32, in bytes a voxel: the U-Net
# for slices and the V-Net for volumes, counted with torch's FlopCounterMode and from peak memory at 64x64 and 48x48x48.
_WORK = {2: 9.0e4, 3: 8.0e4}
_KEPT_BYTES = {2: 2400.0, 3: 1900.0}
_HALF = 0.6
# PyTorch with its libraries, the networks, and their optimizer.
_BASE_BYTES = 0.7 * _GIGA
# Forward and backward passes of an image, in forward passes: without annotation a teacher or second view comes along.
_PASSES = {"labeled": 3.0, "unlabeled": 4.5, "external": 4.5}
# The share of the convolutions' speed that a step reaches, between 0.93 (U-Net) and 0.47 (V-Net).
_EFFICIENCY = 0.6
# What a step takes however small it is: drawing, augmenting, and telling the device what to do.
_LEAST_SECONDS = 0.03
_COMMON_CASE = CaseFingerprint("common", (12, 256, 256), (8.0, 1.0, 1.0))


@dataclass(frozen=True)
class Estimate:
    """Rough memory and time of a training.

    Attributes:
        memory: Memory on the device in bytes.
        seconds: Time of all steps in seconds, None when it is not known.
        measured: Whether the time comes from an earlier round.
    """

    memory: float
    seconds: float | None
    measured: bool = False


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
    # Neither time nor memory depends on intensities or on the number of classes. With MR no voxel has to be read.
    return plan_round(Fingerprint(tuple(cases) or (_COMMON_CASE,), None), Modality.MR, 2, method, preset, overrides)


def estimate(
    patch: Sequence[int], settings: Mapping[str, SettingValue], device: DeviceInfo | None, pace: float | None = None
) -> Estimate:
    """Estimate what a training takes.

    Args:
        patch: Sides of a patch in voxels, two for slices or three for volumes.
        settings: Values of all settings of the training.
        device: Device of the training, None when not known yet.
        pace: Seconds a step of an earlier round with the same settings on the same device.
    """
    dimensions = len(patch)
    voxels = {name: int(settings.get(f"{name}_batch", 0)) * math.prod(patch) for name in _STREAMS}
    half = settings.get("precision", "auto") in ("bfloat16", "float16")
    half = half or (settings.get("precision", "auto") == "auto" and device is not None and device.half)
    activations = sum(voxels.values()) * _KEPT_BYTES[dimensions] * (_HALF if half else 1.0)
    steps = int(settings["steps"])
    if pace is not None:
        return Estimate(_BASE_BYTES + activations, pace * steps, measured=True)
    if device is None or not device.speed:
        return Estimate(_BASE_BYTES + activations, None)
    work = sum(count * _PASSES[name] for name, count in voxels.items()) * _WORK[dimensions]
    seconds = _LEAST_SECONDS + work / (device.speed * _GIGA * _EFFICIENCY)
    return Estimate(_BASE_BYTES + activations, steps * seconds)


def pace_of(folder: JobFolder) -> float | None:
    """Return the seconds a step of a training took, from its last events; None when there are too few."""
    try:
        events, _ = folder.events(max(0, folder.end_of_events() - _LAST_BYTES))
    except (OSError, UserError):
        return None
    steps = [event for event in events if isinstance(event, StepDone) and event.step < event.total_steps]
    paces = [event.seconds_left / (event.total_steps - event.step) for event in steps if event.seconds_left is not None]
    return paces[-1] if paces else None


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
    like = ", as the last round did" if expected.measured else ""
    text = f"Takes {memory} and {rough_duration(expected.seconds)}{like}."
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

"""About how much memory and time a training will take.

Where a round of the same shape was trained before, its pace counts. Else memory and work are derived from the sizes of
patches and batches with figures measured on this project's networks, and time from the speed of the device.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...jobs.events import StepDone
from ...jobs.folder import JobFolder
from ...jobs.settings import size_of
from ...jobs.spec import SettingValue
from ...study.errors import UserError
from ...study.images import Geometry
from .devices import DeviceInfo
from .job_head import head_of

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
# As in the engine, which decides from all images.
_THICK, _FEW_SLICES, _LARGEST_SIDE, _LARGEST_PATCH = 3.0, 16, 256, 96**3


@dataclass(frozen=True)
class Shape:
    """What one step looks at: 2 or 3 dimensions, the sides of a patch, and the pace of an earlier round of it."""

    dimensions: int
    patch: tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """About what a training takes.

    Attributes:
        memory: bytes on the device.
        seconds: of all steps, None when nobody knows.
        measured: whether the time comes from an earlier round.
    """

    memory: float
    seconds: float | None
    measured: bool = False


def expected_shape(geometries: Sequence[Geometry], settings: Mapping[str, SettingValue]) -> Shape:
    """The shape of steps on images such as these, as far as a few of them tell; without one, that of common scans."""
    typical = geometries[len(geometries) // 2] if geometries else None
    size = sorted(typical.size) if typical else [12, 256, 256]
    spacing = sorted(typical.spacing) if typical else [1.0, 1.0, 8.0]
    thick = spacing[2] >= _THICK * math.sqrt(spacing[0] * spacing[1]) or size[0] < _FEW_SLICES
    wanted = settings.get("dimension", "auto")
    dimensions = (2 if thick else 3) if wanted == "auto" else int(str(wanted)[0])
    patch = size_of(str(settings.get("patch_size", "auto")))
    if len(patch) != dimensions:
        scale = float(settings.get("in_plane_scale", 1.0))
        patch = _patch(size, scale, dimensions)
    return Shape(dimensions, patch)


def estimate(
    shape: Shape, settings: Mapping[str, SettingValue], device: DeviceInfo | None, pace: float | None = None
) -> Estimate:
    """About what a training takes.

    Args:
        shape: of a step.
        settings: all of the training.
        device: where it runs, None when not known yet.
        pace: seconds a step of an earlier round of the same shape on the same device.
    """
    voxels = {name: int(settings.get(f"{name}_batch", 0)) * math.prod(shape.patch) for name in _STREAMS}
    half = settings.get("precision", "auto") in ("bfloat16", "float16")
    half = half or (settings.get("precision", "auto") == "auto" and device is not None and device.half)
    kept = sum(voxels.values()) * _KEPT_BYTES[shape.dimensions] * (_HALF if half else 1.0)
    steps = int(settings["steps"])
    if pace is not None:
        return Estimate(_BASE_BYTES + kept, pace * steps, measured=True)
    if device is None or not device.speed:
        return Estimate(_BASE_BYTES + kept, None)
    work = sum(count * _PASSES[name] for name, count in voxels.items()) * _WORK[shape.dimensions]
    seconds = _LEAST_SECONDS + work / (device.speed * _GIGA * _EFFICIENCY)
    return Estimate(_BASE_BYTES + kept, steps * seconds)


def pace_of(folder: JobFolder) -> float | None:
    """Seconds a step of a training, from the last steps it reported; None when it reported too few."""
    try:
        events, _ = folder.events(max(0, folder.end_of_events() - _LAST_BYTES))
    except (OSError, UserError):
        return None
    steps = [event for event in events if isinstance(event, StepDone) and event.step < event.total_steps]
    paces = [event.seconds_left / (event.total_steps - event.step) for event in steps if event.seconds_left is not None]
    return paces[-1] if paces else None


def trained_like(folder: JobFolder, method: str, settings: Mapping[str, SettingValue], device: str) -> bool:
    """Whether a step of a round took as long as one with these settings on this device would."""
    head = head_of(folder)
    try:
        trained = json.loads((folder.path / "plan.json").read_text(encoding="utf-8"))["settings"]
        same = all(trained.get(name) == settings.get(name) for name in _DECISIVE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return same and (head.method, head.device) == (method, device)


def in_words(expected: Estimate, device: DeviceInfo | None) -> str:
    """The estimate in one or two sentences for the user, with a warning where it does not fit the device."""
    memory = f"about {expected.memory / _GIGA:.1f} GB of memory"
    if expected.seconds is None:
        return f"Takes {memory}. How long shows after the first steps."
    like = ", as the last round did" if expected.measured else ""
    text = f"Takes {memory} and {about(expected.seconds)}{like}."
    if device is not None and device.free and expected.memory > device.free:
        text += " That may be more than is free: lower the images per step, or choose another device."
    return text


def about(seconds: float) -> str:
    """A duration that nobody knows exactly, such as about 2 hours."""
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
    # Two figures would promise more than anybody knows.
    step = 1 if value < 15 else 5
    return step * round(value / step)


def _patch(size: Sequence[int], scale: float, dimensions: int) -> tuple[int, ...]:
    sides = [size[0], *(side * scale for side in size[1:])][3 - dimensions :]
    step = 32 if dimensions == 2 else 16
    patch = [max(step, math.ceil(side / step) * step) for side in sides]
    if dimensions == 2:
        return tuple(min(side, _LARGEST_SIDE) for side in patch)
    while math.prod(patch) > _LARGEST_PATCH:
        patch[patch.index(max(patch))] -= step
    return tuple(patch)

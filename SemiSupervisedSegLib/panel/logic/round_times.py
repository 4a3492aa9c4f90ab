"""How long the parts of a round take: as expected from plan and device, and as measured from the events of a round."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...jobs.events import Event, PreviewReady, Progress, StageStarted, StepDone, Validated
from ...jobs.job_specs import PREVIEWED_CASES
from ...planning.fingerprint import case_fingerprint
from ...planning.plan import Plan, grid_order
from ...study.geometry import Geometry
from .devices import DeviceInfo

_GIGA = 1e9
_STREAMS = ("labeled", "unlabeled", "external")
# Of one forward pass, in FLOP a voxel: the U-Net for slices and the V-Net for volumes, counted with FlopCounterMode.
_WORK = {2: 9.0e4, 3: 8.0e4}
# Forward and backward passes of an image, in forward passes: without annotation a teacher or second view comes along.
_PASSES = {"labeled": 3.0, "unlabeled": 4.5, "external": 4.5}
# The share of the convolutions' speed that a step reaches, measured between 0.29 and 0.93 in float32, and between 0.27
# and 0.42 in bfloat16, where normalisation and copies count for more.
_EFFICIENCY, _EFFICIENCY_HALF = 0.55, 0.35
# What a step takes however small it is: drawing, augmenting, and telling the device what to do.
_LEAST_SECONDS = 0.03
# Of a case at the end: reading, and the largest components, maps and compressed files, in seconds a voxel.
_CASE_SECONDS, _WRITING = 0.1, 3e-7
# Labeled cases from which a preview has its prototypes, as in the engine.
_PROTOTYPE_CASES = 4
_COMMON_IMAGE = Geometry((256, 256, 12), (1.0, 1.0, 8.0), (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True)
class RoundTimes:
    """Seconds of the parts of a round, None where they are not known.

    Attributes:
        step: Seconds of an optimisation step.
        validated: Seconds of a case in a validation, which is segmented on the plan's grid only.
        segmented: Seconds of a case that is segmented into files, in a preview or at the end.
    """

    step: float | None = None
    validated: float | None = None
    segmented: float | None = None

    def times(self, factors: RoundTimes) -> RoundTimes:
        """Return the product with factors; an unknown factor is 1, and what is unknown stays so."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(factors), strict=True)
        return RoundTimes(*(own if own is None or factor is None else own * factor for own, factor in pairs))

    def ratio_to(self, expected: RoundTimes) -> RoundTimes:
        """Return by which factor each part took longer than expected, None where either is unknown."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(expected), strict=True)
        return RoundTimes(*(own / other if own is not None and other else None for own, other in pairs))


@dataclass(frozen=True)
class CaseCounts:
    """How many cases a round validates on, and how many it segments at its end."""

    validation: int = 0
    all: int = 0


def expected_times(
    plan: Plan, settings: Mapping[str, Any], images: Sequence[Geometry], device: DeviceInfo | None
) -> RoundTimes:
    """Return the times of a round that follow from its plan and the speed of the device.

    Args:
        plan: Plan of the round.
        settings: Value of every setting.
        images: Grids of some typical images; without any, a stack of common slices stands for them.
        device: Device of the training, None when not known yet.
    """
    if device is None or not device.speed:
        return RoundTimes()
    speed = device.speed * _GIGA * (_EFFICIENCY_HALF if in_half_precision(settings, device) else _EFFICIENCY)
    forward = _WORK[plan.dimensions] / speed
    voxels = images_per_step(settings)
    passes = sum(count * _PASSES[name] for name, count in voxels.items()) * math.prod(plan.patch)
    images = images or (_COMMON_IMAGE,)
    overlap = float(settings.get("window_overlap", 0.5))
    windows = sum(_window_voxels(image, plan, overlap) for image in images) / len(images)
    written = sum(math.prod(image.size) for image in images) / len(images) * _WRITING
    return RoundTimes(
        step=_LEAST_SECONDS + passes * forward,
        validated=windows * forward,
        segmented=_CASE_SECONDS + windows * forward + written,
    )


def images_per_step(settings: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of images of a step by stream."""
    return {name: int(settings.get(f"{name}_batch", 0)) for name in _STREAMS}


def in_half_precision(settings: Mapping[str, Any], device: DeviceInfo | None) -> bool:
    """Return whether the forward passes are in half precision."""
    precision = settings.get("precision", "auto")
    return precision in ("bfloat16", "float16") or (precision == "auto" and device is not None and device.half)


def measured_times(events: Iterable[Event]) -> RoundTimes:
    """Return the times that the events of a round tell, which may be the last ones only.

    Args:
        events: Events in their order.
    """
    step = validation = validated = segmented = None
    before: Event | None = None
    began = 0.0
    for event in events:
        match event:
            case StepDone() if event.seconds_left is not None and event.step < event.total_steps:
                step = event.seconds_left / (event.total_steps - event.step)
            case Validated() if before is not None:
                steps = event.step - _step_of(before, event.step)
                validation = max(0.0, event.time - before.time - steps * (step or 0.0))
            case StageStarted(name="predict"):
                began = event.time
            case Progress(stage="predict") if began:
                segmented = (event.time - began) / event.done
            case StageStarted(name="evaluate") if event.steps and validation is not None:
                # As many cases are scored at the end.
                validated = validation / event.steps
        before = event
    return RoundTimes(step, validated, segmented)


def steps_seconds(times: RoundTimes, settings: Mapping[str, Any], counts: CaseCounts) -> float | None:
    """Return the time of all steps with the validations and previews between them, None when it is not known."""
    if times.step is None:
        return None
    steps = int(settings["steps"])
    seconds = steps * times.step
    if counts.validation:
        # The last step is always validated.
        validations = math.ceil(steps / settings["validation_interval"]) if settings["validation_interval"] else 1
        seconds += validations * counts.validation * (times.validated or 0.0)
    if settings["preview_interval"]:
        preview = PREVIEWED_CASES * (times.segmented or 0.0) + _PROTOTYPE_CASES * (times.validated or 0.0)
        seconds += (steps - 1) // settings["preview_interval"] * preview
    return seconds


def finishing_seconds(times: RoundTimes, counts: CaseCounts) -> float:
    """Return the time from the last step to the end, in which all cases are segmented; 0 when it is not known."""
    return counts.all * (times.segmented or 0.0)


def _window_voxels(image: Geometry, plan: Plan, overlap: float) -> float:
    """Return the voxels of all windows of an image on the plan's grid; slices are segmented whole."""
    case = case_fingerprint("", image)
    order = grid_order(case.spacing, plan.slice_axis, plan.dimensions)
    extents = [case.size[axis] * case.spacing[axis] for axis in order]
    native = [case.size[axis] for axis in order]
    shape = [
        count if target is None else max(1, round(extent / target))
        for count, extent, target in zip(native, extents, plan.spacing, strict=True)
    ]
    if plan.dimensions == 2:
        return float(math.prod(shape))
    stride = [side * (1 - overlap) for side in plan.patch]
    windows = (
        1 + math.ceil(max(0, length - side) / step)
        for length, side, step in zip(shape, plan.patch, stride, strict=True)
    )
    return float(math.prod(windows) * math.prod(plan.patch))


def _step_of(event: Event, default: int) -> int:
    if isinstance(event, Progress) and event.unit:
        return event.done
    return event.step if isinstance(event, StepDone | Validated | PreviewReady) else default

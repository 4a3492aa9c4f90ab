"""Warnings about the cases of a round that can be used, but not in the way that the user may expect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..study.model import Role, Structure
from .cached_case import CachedCase
from .fingerprint import Fingerprint
from .grid import PlanGrid
from .plan import PATCH_MULTIPLE, Plan

_MOST_NAMES = 5
# A structure that keeps less than this share of its volume on the plan grid has hardly a voxel there.
_LEAST_SHARE = 0.25
# Fields of view differ by less between scans of one study; units, such as cm instead of mm, differ by more.
_LARGEST_FACTOR = 8.0
# A new image may be cropped, but hardly to less than this part of the images of the training.
_LARGEST_CROP = 5
# Of fewer cases none is the odd one.
_FEWEST_CASES = 3


def field_of_view_warnings(fingerprint: Fingerprint) -> list[str]:
    """Return a warning for images that are many times larger or smaller in mm than those of the other cases.

    Args:
        fingerprint: Fingerprint of the cases of the round.
    """
    sides = [math.prod(n * step for n, step in zip(case.size, case.spacing, strict=True)) for case in fingerprint.cases]
    factors = (np.asarray(sides) / np.median(sides)) ** (1 / 3)
    odd = [
        case.id
        for case, factor in zip(fingerprint.cases, factors, strict=True)
        if not 1 / _LARGEST_FACTOR < factor < _LARGEST_FACTOR
    ]
    if not odd or len(sides) < _FEWEST_CASES:
        return []
    return [
        f"The size in mm of {_names(odd)} is many times that of the other images, or a fraction of it. Check whether "
        "the spacing in the header is right and in mm."
    ]


def image_warnings(case_id: str, image: sitk.Image, plan: Plan) -> list[str]:
    """Return warnings about a new image that a model can segment, but hardly well.

    Args:
        case_id: Id of the case.
        image: Image of the case.
        plan: Plan of the model.
    """
    warnings = []
    values = sitk.GetArrayViewFromImage(image)
    if values.min() == values.max():
        warnings.append(
            f"All voxels of {case_id} have the same value, so that nothing can be recognised there. Check how the "
            "image was exported."
        )
    grid = PlanGrid.of(image, plan)
    # Patches are no larger than the images of the training were, rounded up.
    for axis, side in zip((1, 2), plan.patch[-2:], strict=True):
        step = grid.spacing[axis]
        if side - PATCH_MULTIPLE > _LARGEST_CROP * grid.shape[axis]:
            warnings.append(
                f"{case_id} is only {grid.shape[axis] * step:.3g} mm wide, the images of the training were about "
                f"{side * step:.3g} mm. Check whether the spacing in the header is right and in mm."
            )
            break
    return warnings


def case_warnings(
    cases: Sequence[CachedCase], structures: Sequence[Structure], plan: Plan, in_plane_scale: float
) -> list[str]:
    """Return warnings about structures that cannot be learned, and about images that show nothing.

    Args:
        cases: Cases of the round.
        structures: Structures of the study.
        plan: Plan of the round.
        in_plane_scale: Setting with which the plan was made.
    """
    warnings = []
    for index, structure in enumerate(structures):
        warnings += _unseen(cases, index, structure)
        warnings += _vanishing(cases, index, structure, plan, in_plane_scale)
    constant = [case.id for case in cases if case.is_constant]
    if constant:
        warnings.append(
            f"All voxels of {_names(constant)} have the same value after normalisation, so that nothing can be "
            "recognised there. Check how the image was exported."
        )
    return warnings


def _unseen(cases: Sequence[CachedCase], index: int, structure: Structure) -> list[str]:
    if any(case.volumes[index].annotated > 0 for case in cases if case.role is Role.LABELED):
        return []
    return [
        f"No labeled case shows {structure.name!r}, so that it cannot be learned. Annotate it in a labeled case, or "
        "remove it from the structures of the study."
    ]


def _vanishing(
    cases: Sequence[CachedCase], index: int, structure: Structure, plan: Plan, in_plane_scale: float
) -> list[str]:
    small = [
        case.id
        for case in cases
        if case.volumes and case.volumes[index].on_grid < _LEAST_SHARE * case.volumes[index].annotated
    ]
    if not small:
        return []
    spacing = " x ".join(f"{step:.3g}" for step in plan.spacing if step is not None)
    advice = (
        "Set in_plane_scale to 1 or choose another preset, which keeps the resolution of the images."
        if in_plane_scale < 1
        else "Draw it larger, or leave it out of the study."
    )
    return [
        f"{structure.name!r} is too small in {_names(small)} for the resolution of this training ({spacing} mm): there "
        f"it is background. {advice}"
    ]


def _names(case_ids: Sequence[str]) -> str:
    more = len(case_ids) - _MOST_NAMES
    return ", ".join(case_ids[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")

"""The choice of a plan: from the fingerprint of a study and the settings to dimensions, spacing, patch and network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..jobs.catalogue import load_catalogue
from ..study.errors import UserError
from ..study.model import Modality
from .fingerprint import Fingerprint
from .networks import NetworkSpec
from .normalization import Normalization
from .orientation import triple
from .plan import PATCH_MULTIPLE, THICK_SLICES, Plan, grid_order

# Fewer slices than this cannot be halved four times by a network.
FEW_SLICES = 16
# Spacings closer than this are the same: no axis is then called the slice axis for its spacing.
_SAME_SPACING = 1.05
# Of a patch halved to a single voxel, batch normalisation could not take a variance.
_PATCH_LONGEST_MINIMUM = 2 * PATCH_MULTIPLE
# In mm; finer spacings are those of microscopes.
_USUAL_SPACING = 0.01
_PATCH_STEP = {2: 32, 3: PATCH_MULTIPLE}
_PATCH_2D_MAXIMUM = 256
_PATCH_3D_VOXELS = 96**3
# Sides of a patch on the structures, as a multiple of their usual extent.
_SURROUNDINGS = 2.5
_SMALLEST_ON_STRUCTURES = {2: 64, 3: 48}


def choose_dimensions(fingerprint: Fingerprint, dimension: str = "auto") -> int:
    """Return 2 for thick or few slices, else 3.

    Args:
        fingerprint: Fingerprint of the cases of the round.
        dimension: Setting of the user: auto, or 2d or 3d, which decide alone.

    Raises:
        UserError: The setting is none of these.
    """
    explicit = {"2d": 2, "3d": 3}.get(dimension.lower())
    if explicit is not None:
        return explicit
    if dimension.lower() != "auto":
        raise UserError(f'The dimension "{dimension}" is unknown.', "Choose auto, 2d or 3d.")
    usual = _slice_axis(fingerprint)
    orders = [grid_order(case.spacing, usual, 2) for case in fingerprint.cases]
    ratios, slices = [], []
    for case, (through, rows, columns) in zip(fingerprint.cases, orders, strict=True):
        ratios.append(case.spacing[through] / math.sqrt(case.spacing[rows] * case.spacing[columns]))
        slices.append(case.size[through])
    return 2 if np.median(ratios) >= THICK_SLICES or np.median(slices) < FEW_SLICES else 3


def make_plan(fingerprint: Fingerprint, modality: Modality, num_classes: int, settings: Mapping[str, Any]) -> Plan:
    """Decide how a study is processed, from its fingerprint and what the user set.

    Args:
        fingerprint: Fingerprint of the cases of the round.
        modality: Modality, which decides the normalisation.
        num_classes: Number of classes, background included.
        settings: Settings `dimension` (auto, 2d, 3d), `patch_size` ("auto", "256x256" or "64x96x96", slices first),
            `patch_extent` ("image" or "structures", what a patch of automatic size shows), `in_plane_scale` (1 keeps
            the median in-plane resolution, 0.5 halves it), `network` ("auto" or a name).

    Raises:
        UserError: A setting does not fit, or a CT study has no annotated voxel to normalise by.
    """
    usual = _slice_axis(fingerprint)
    dimensions = choose_dimensions(fingerprint, str(settings.get("dimension", "auto")))
    scale = float(settings.get("in_plane_scale", 1.0))
    through, *in_plane = _median_spacing(fingerprint, usual, dimensions)
    # Medians also for anisotropic 3D studies: those beyond THICK_SLICES are 2D already, so that a rule for very thick
    # slices would have nothing left to do.
    through_plane = None if dimensions == 2 else _rounded(through)
    spacing = triple([through_plane, *(_rounded(value / scale) for value in in_plane)])
    return Plan(
        dimensions=dimensions,
        slice_axis=usual,
        spacing=spacing,
        patch=_patch(fingerprint, usual, spacing, settings),
        normalization=_normalization(fingerprint, modality),
        num_classes=num_classes,
        network=NetworkSpec(load_catalogue().backbone(str(settings.get("network", "auto")), dimensions)),
        single_pieces=fingerprint.single_pieces,
    )


def _rounded(spacing: float) -> float:
    # Headers of oblique images carry rounding noise, which must not change the key of the cache.
    return round(spacing, 5) if spacing >= _USUAL_SPACING else float(f"{spacing:.4g}")


def _slice_axis(fingerprint: Fingerprint) -> int:
    size, spacing = fingerprint.median_size, fingerprint.median_spacing
    by_size = np.argsort(size, kind="stable")
    # A stack of few slices shows in the size even where a converter has lost the spacing (ACDC: 1 x 1 x 1 mm).
    if size[by_size[0]] < FEW_SLICES and 2 * size[by_size[0]] <= size[by_size[1]]:
        return int(by_size[0])
    thickest = [axis for axis in range(3) if spacing[axis] * _SAME_SPACING >= max(spacing)]
    return min(thickest, key=lambda axis: size[axis])


def _median_spacing(fingerprint: Fingerprint, usual: int, dimensions: int) -> tuple[float, float, float]:
    ordered = [
        [case.spacing[axis] for axis in grid_order(case.spacing, usual, dimensions)] for case in fingerprint.cases
    ]
    slices, rows, columns = (float(value) for value in np.median(ordered, axis=0))
    return slices, rows, columns


def _median_size(fingerprint: Fingerprint, usual: int, dimensions: int, spacing: Sequence[float | None]) -> list[float]:
    sizes = []
    for case in fingerprint.cases:
        order = grid_order(case.spacing, usual, dimensions)
        resampled = (
            case.size[axis] if target is None else case.size[axis] * case.spacing[axis] / target
            for axis, target in zip(order, spacing, strict=True)
        )
        sizes.append(list(resampled))
    return np.median(sizes, axis=0).tolist()[3 - dimensions :]


def _patch(
    fingerprint: Fingerprint, usual: int, spacing: Sequence[float | None], settings: Mapping[str, Any]
) -> tuple[int, ...]:
    text = str(settings.get("patch_size", "auto"))
    dimensions = sum(step is not None for step in spacing)
    size = _median_size(fingerprint, usual, dimensions, spacing)
    if text.lower() != "auto":
        return _given_patch(text, size)
    largest = _patch_2d(size) if dimensions == 2 else _patch_3d(size)
    if settings.get("patch_extent") != "structures" or fingerprint.extent is None:
        return largest
    return _patch_on_structures(fingerprint.extent, usual, spacing, largest)


def _patch_on_structures(
    extent: Sequence[float], usual: int, spacing: Sequence[float | None], largest: Sequence[int]
) -> tuple[int, ...]:
    dimensions = len(largest)
    step, smallest = _PATCH_STEP[dimensions], _SMALLEST_ON_STRUCTURES[dimensions]
    ordered = [extent[usual], *(extent[axis] for axis in range(3) if axis != usual)][3 - dimensions :]
    return tuple(
        min(max(_round_up(_SURROUNDINGS * length / voxel, step), smallest), limit)
        for length, voxel, limit in zip(ordered, spacing[3 - dimensions :], largest, strict=True)
        if voxel is not None
    )


def _given_patch(text: str, size: Sequence[float]) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,5}(\s*[x×]\s*\d{1,5}){1,2}", text.lower().strip()):
        raise UserError(f'The patch size "{text}" cannot be read.', 'Write it as "256x256" or "64x96x96", or "auto".')
    patch = tuple(int(part) for part in re.findall(r"\d+", text))
    if len(patch) != len(size):
        raise UserError(
            f'The patch size "{text}" has {len(patch)} numbers, but this study is processed in {len(size)}D.',
            'Set patch_size to "auto", or set the dimension too.',
        )
    if any(side == 0 or side % PATCH_MULTIPLE for side in patch):
        raise UserError(
            f'The patch size "{text}" does not fit the networks.',
            f"Every number must be a multiple of {PATCH_MULTIPLE}, because networks halve the patch four times.",
        )
    if max(patch) < _PATCH_LONGEST_MINIMUM:
        raise UserError(
            f'The patch size "{text}" is too small.',
            f"At least one number must be {_PATCH_LONGEST_MINIMUM} or more.",
        )
    return patch


def _round_up(value: float, step: int) -> int:
    # Sizes come from divisions: 32.0000001 is 32.
    return max(step, math.ceil(value / step - 1e-6) * step)


def _patch_2d(size: Sequence[float]) -> tuple[int, ...]:
    return tuple(min(_round_up(side, _PATCH_STEP[2]), _PATCH_2D_MAXIMUM) for side in size)


def _patch_3d(size: Sequence[float]) -> tuple[int, ...]:
    patch = [_round_up(side, _PATCH_STEP[3]) for side in size]
    while math.prod(patch) > _PATCH_3D_VOXELS:
        patch[patch.index(max(patch))] -= PATCH_MULTIPLE
    if max(patch) < _PATCH_LONGEST_MINIMUM:
        patch[-1] = _PATCH_LONGEST_MINIMUM
    return tuple(patch)


def _normalization(fingerprint: Fingerprint, modality: Modality) -> Normalization:
    if modality == Modality.MR:
        return Normalization(modality)
    foreground = fingerprint.foreground
    if foreground is None:
        raise UserError(
            "The intensities of this CT study cannot be normalised, because no labeled case has an annotated voxel.",
            "Annotate at least one case.",
        )
    if foreground.lower == foreground.upper:
        raise UserError(
            f"All labeled CT images have the value {foreground.lower:g} everywhere.", "Check how they were exported."
        )
    return Normalization(modality, foreground.lower, foreground.upper, foreground.mean, foreground.std)

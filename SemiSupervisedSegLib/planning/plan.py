"""The plan of a study: dimensions, spacing, patch and normalisation, decided once and kept with the model."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..jobs.catalogue import load_catalogue
from ..jobs.records import from_plain, to_plain
from ..study.errors import UserError
from ..study.model import MAX_LABEL, Modality
from .fingerprint import Fingerprint
from .networks import NetworkSpec
from .normalization import Normalization
from .orientation import triple

# From this ratio of through-plane to in-plane spacing on, neighbouring slices share too little for 3D convolutions.
THICK_SLICES = 3.0
# Fewer slices than this cannot be halved four times by a network.
FEW_SLICES = 16
# Spacings closer than this are the same: no axis is then called the slice axis for its spacing.
_SAME_SPACING = 1.05
# Networks halve the patch four times.
PATCH_MULTIPLE = 16
# Of a patch halved to a single voxel, batch normalisation could not take a variance.
_PATCH_LONGEST_MINIMUM = 2 * PATCH_MULTIPLE
# That of the setting.
_LARGEST_SIDE = 99_999
# In mm; finer spacings are those of microscopes.
_USUAL_SPACING = 0.01
_PATCH_2D_STEP = 32
_PATCH_2D_MAXIMUM = 256
_PATCH_3D_VOXELS = 96**3
# Part of every cache key: raise it when reading or preprocessing changes, so that no older result is used again.
_PREPROCESSING = 2


@dataclass(frozen=True)
class Plan:
    """How the cases of a study are brought to the network.

    Attributes:
        dimensions: Number of dimensions, 2 or 3.
        slice_axis: Axis of the LPS-oriented (z, y, x) volume that comes first in the plan grid.
        spacing: Spacing in mm along (slices, rows, columns); None where an axis is not resampled.
        patch: Voxels (rows, columns) or (slices, rows, columns), multiples of 16.
        normalization: Normalisation of the intensities.
        num_classes: Number of classes, background included.
        network: Network that is trained.
        in_channels: Number of channels of the images.
    """

    dimensions: int
    slice_axis: int
    spacing: tuple[float | None, float | None, float | None]
    patch: tuple[int, ...]
    normalization: Normalization
    num_classes: int
    network: NetworkSpec
    in_channels: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, data: Any) -> Plan:
        """Read what `to_dict` returned; raises UserError when it is damaged."""
        try:
            plan = from_plain(cls, _with_network_spec(data))
            _check_values(plan)
        except (TypeError, ValueError) as error:
            raise UserError("The plan of this model is damaged.", "Train it again, or use another model.") from error
        return plan

    def key(self) -> str:
        """Return a short hash of all that decides how a case looks after preprocessing; the patch does not."""
        decisive = [_PREPROCESSING, self.dimensions, self.slice_axis, self.spacing, asdict(self.normalization)]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _with_network_spec(data: Any) -> Any:
    """Return the content of a plan in which older programs may have kept the network as a name."""
    name = data.get("network") if isinstance(data, dict) else None
    return data if not isinstance(name, str) else {**data, "network": to_plain(NetworkSpec.from_name(name))}


def _check_values(plan: Plan) -> None:
    """Raise ValueError or TypeError when a plan has a value that `make_plan` never chooses."""
    intensities = plan.normalization
    numbers = (intensities.lower, intensities.upper, intensities.mean, intensities.std)
    normalization = [value for value in numbers if value is not None]
    whole = (plan.dimensions, plan.slice_axis, plan.num_classes, plan.in_channels)
    in_order = (
        all(type(number) is int for number in whole)
        and plan.dimensions in (2, 3)
        and plan.slice_axis in (0, 1, 2)
        and 2 <= plan.num_classes <= 1 + MAX_LABEL
        and plan.in_channels == 1
        and len(plan.patch) == plan.dimensions
        and all(0 < side <= _LARGEST_SIDE and side % PATCH_MULTIPLE == 0 for side in plan.patch)
        and len(plan.spacing) == 3
        and all(step is None or (math.isfinite(step) and step > 0) for step in plan.spacing)
        and len(normalization) == (4 if intensities.modality is Modality.CT else 0)
        and all(math.isfinite(value) for value in normalization)
        and all(0 < index < plan.num_classes for task in plan.network.tasks for index in task)
    )
    if not in_order:
        raise ValueError("a value is out of its range")


def case_slice_axis(spacing: Sequence[float], usual: int) -> int:
    """Return the axis along which one case was sliced, of its LPS-oriented spacing (z, y, x) in mm.

    Clearly thick slices say it themselves. Oblique series of one protocol, such as short-axis cardiac MR, come out
    nearest to different anatomical axes from patient to patient. Otherwise it is the `usual` axis of the study.
    """
    order = np.argsort(spacing)
    return int(order[-1]) if spacing[order[-1]] >= THICK_SLICES * spacing[order[-2]] else usual


def choose_dimensions(fingerprint: Fingerprint, dimension: str = "auto") -> int:
    """Return 2 for thick or few slices, else 3.

    Args:
        fingerprint: Fingerprint of the cases of the round.
        dimension: Setting of the user: auto, or 2d or 3d, which decide alone.

    Raises:
        UserError: the setting is none of these.
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
            `in_plane_scale` (1 keeps the median in-plane resolution, 0.5 halves it), `network` ("auto" or a name).

    Raises:
        UserError: a setting does not fit, or a CT study has no annotated voxel to normalise by.
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
        patch=_patch(str(settings.get("patch_size", "auto")), _median_size(fingerprint, usual, dimensions, spacing)),
        normalization=_normalization(fingerprint, modality),
        num_classes=num_classes,
        network=NetworkSpec(load_catalogue().backbone(str(settings.get("network", "auto")), dimensions)),
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


def grid_order(spacing: Sequence[float], usual: int, dimensions: int) -> tuple[int, int, int]:
    """Return the LPS-oriented axes (0 is z) of one case in the order slices, rows, columns.

    In 3D every case keeps the study's axes, because there the anatomical directions matter to the network.
    """
    first = case_slice_axis(spacing, usual) if dimensions == 2 else usual
    rows, columns = (axis for axis in range(3) if axis != first)
    return first, rows, columns


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


def _patch(text: str, size: Sequence[float]) -> tuple[int, ...]:
    if text.lower() == "auto":
        return _patch_2d(size) if len(size) == 2 else _patch_3d(size)
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
    return tuple(min(_round_up(side, _PATCH_2D_STEP), _PATCH_2D_MAXIMUM) for side in size)


def _patch_3d(size: Sequence[float]) -> tuple[int, ...]:
    patch = [_round_up(side, PATCH_MULTIPLE) for side in size]
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

"""The plan of a study: dimensions, spacing, patch and normalisation, decided once and stored with the model."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..jobs.records import from_plain, to_plain
from ..study.errors import UserError
from ..study.model import MAX_LABEL, Modality
from .networks import NetworkSpec
from .normalization import Normalization

# From this ratio of through-plane to in-plane spacing on, neighbouring slices share too little for 3D convolutions.
THICK_SLICES = 3.0
# Networks halve the patch four times.
PATCH_MULTIPLE = 16
# That of the setting.
_LARGEST_SIDE = 99_999
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
        single_pieces: Classes that are one piece in every annotation; None in plans of older programs.
    """

    dimensions: int
    slice_axis: int
    spacing: tuple[float | None, float | None, float | None]
    patch: tuple[int, ...]
    normalization: Normalization
    num_classes: int
    network: NetworkSpec
    in_channels: int = 1
    single_pieces: tuple[int, ...] | None = None

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
        """Return a short hash of everything that affects a preprocessed case; the patch does not."""
        decisive = [_PREPROCESSING, self.dimensions, self.slice_axis, self.spacing, asdict(self.normalization)]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _with_network_spec(data: Any) -> Any:
    """Return the content of a plan in which older programs may have stored the network as a name."""
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
        and all(0 < index < plan.num_classes for index in plan.single_pieces or ())
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


def grid_order(spacing: Sequence[float], usual: int, dimensions: int) -> tuple[int, int, int]:
    """Return the LPS-oriented axes (0 is z) of one case in the order slices, rows, columns.

    In 3D every case keeps the study's axes, because there the anatomical directions matter to the network.
    """
    first = case_slice_axis(spacing, usual) if dimensions == 2 else usual
    rows, columns = (axis for axis in range(3) if axis != first)
    return first, rows, columns

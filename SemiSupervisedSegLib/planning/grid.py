"""The grid on which the network sees one case, and the way there and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .orientation import lps_axes, triple
from .plan import Plan, grid_order


class Header(Protocol):
    """What an image's header says; a SimpleITK image is one."""

    def GetSize(self) -> Sequence[int]: ...  # noqa: D102, N802
    def GetSpacing(self) -> Sequence[float]: ...  # noqa: D102, N802
    def GetOrigin(self) -> Sequence[float]: ...  # noqa: D102, N802
    def GetDirection(self) -> Sequence[float]: ...  # noqa: D102, N802


@dataclass(frozen=True)
class PlanGrid:
    """The plan grid of one image: its LPS-oriented axes with the slice axis first, resampled to the plan's spacing.

    Voxels are boxes: the outer faces of the grid are those of the image, so that size times spacing stays and voxel
    centres shift by half the difference of the spacings. The spacing is the plan's as nearly as whole voxels allow;
    where the number of voxels stays, an axis is not resampled at all.

    Attributes:
        axes: Array axes (z, y, x) of the image, in the order of the grid.
        flips: Whether each axis of the grid runs against that of the image.
        native_shape: Voxels of the image along the grid's axes, before resampling.
        native_spacing: Spacing of the image in mm along them.
        shape: Voxels of the grid (slices, rows, columns).
        spacing: Spacing of the grid in mm.
        origin: Physical point (x, y, z) in mm of the centre of the grid's first voxel.
        directions: Unit vectors (x, y, z) along slices, rows, columns.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    native_shape: tuple[int, int, int]
    native_spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    directions: tuple[tuple[float, float, float], ...]

    @classmethod
    def of(cls, image: Header, plan: Plan) -> PlanGrid:
        """Return the plan grid of an image, of which only the header is read."""
        lps, lps_flips = lps_axes(image.GetDirection())
        size, spacing = tuple(image.GetSize())[::-1], tuple(image.GetSpacing())[::-1]
        order = grid_order([spacing[axis] for axis in lps], plan.slice_axis, plan.dimensions)
        axes = triple(lps[axis] for axis in order)
        flips = triple(lps_flips[axis] for axis in order)
        native_shape = triple(int(size[axis]) for axis in axes)
        native_spacing = triple(float(spacing[axis]) for axis in axes)
        extents = [count * step for count, step in zip(native_shape, native_spacing, strict=True)]
        shape = triple(
            count if target is None else max(1, round(extent / target))
            for count, extent, target in zip(native_shape, extents, plan.spacing, strict=True)
        )
        grid_spacing = triple(extent / count for extent, count in zip(extents, shape, strict=True))
        origin, directions = _placement(image, axes, flips, native_shape, grid_spacing)
        return cls(axes, flips, native_shape, native_spacing, shape, grid_spacing, origin, directions)

    @property
    def is_resampled(self) -> bool:
        """Whether the grid has other voxels than the image, not only another order of axes."""
        return self.shape != self.native_shape

    def arrange(self, voxels: np.ndarray) -> np.ndarray:
        """Return a view of the image's array (z, y, x) in the grid's order of axes, not resampled."""
        return np.flip(np.transpose(voxels, self.axes), self._flipped())

    def restore(self, voxels: np.ndarray) -> np.ndarray:
        """Return a view of an array in the grid's order of axes, not resampled, as (z, y, x): undoes `arrange`."""
        return np.transpose(np.flip(voxels, self._flipped()), np.argsort(self.axes))

    def _flipped(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(3) if self.flips[axis])


def _placement(
    image: Header,
    axes: Sequence[int],
    flips: Sequence[bool],
    native_shape: Sequence[int],
    grid_spacing: Sequence[float],
) -> tuple[tuple[float, float, float], tuple[tuple[float, float, float], ...]]:
    cosines = np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    spacing = image.GetSpacing()
    corner = np.asarray(image.GetOrigin(), dtype=np.float64)
    directions = []
    for axis, flip, count in zip(axes, flips, native_shape, strict=True):
        # Columns of the direction matrix belong to x, y, z; array axes count the other way round.
        along, step = cosines[:, 2 - axis], spacing[2 - axis]
        # From the centre of the image's first voxel to the outer face at which the grid begins.
        corner = corner + along * step * (count - 0.5 if flip else -0.5)
        directions.append(-along if flip else along)
    for along, step in zip(directions, grid_spacing, strict=True):
        corner = corner + 0.5 * step * along
    return triple(corner.tolist()), tuple(triple(along.tolist()) for along in directions)

"""The grid of a volume: where its voxels lie."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

# Formats that keep single precision move corners by far less; a voxel that is off by more is another grid.
_GRID_TOLERANCE = 0.05


@dataclass(frozen=True)
class Geometry:
    """The grid of a volume, axes in SimpleITK's order: size in voxels, spacing and origin in mm, direction cosines."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image | sitk.ImageFileReader) -> Geometry:
        """Return the grid of an image, or of a file whose header was read."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def size_text(self) -> str:
        """Return the size as text, such as 256 x 256 x 32."""
        return _numbers(self.size)

    def spacing_text(self) -> str:
        """Return the spacing as text, such as 0.7 x 0.7 x 3."""
        return _numbers(self.spacing)

    def position(self, index: Sequence[float]) -> np.ndarray:
        """Return the position of a voxel index in mm (3,)."""
        axes = np.array(self.direction).reshape(3, 3)
        return np.array(self.origin) + axes @ (np.array(index) * np.array(self.spacing))

    def index(self, position: np.ndarray) -> np.ndarray:
        """Return the continuous voxel index (3,) of a position in mm."""
        axes = np.array(self.direction).reshape(3, 3)
        return np.linalg.solve(axes, np.asarray(position) - np.array(self.origin)) / np.array(self.spacing)


def same_grid(first: sitk.Image | Geometry, second: sitk.Image | Geometry) -> bool:
    """Return whether two volumes have equal sizes and corners, to 5 % of the smallest spacing."""
    first, second = (item if isinstance(item, Geometry) else Geometry.of(item) for item in (first, second))
    if first.size != second.size:
        return False
    allowed = _GRID_TOLERANCE * min(first.spacing)
    corners = itertools.product(*((0, size - 1) for size in first.size))
    # One slice has no second corner across it, but its thickness is part of the grid as well.
    return np.allclose(first.spacing, second.spacing, rtol=_GRID_TOLERANCE) and all(
        np.linalg.norm(first.position(corner) - second.position(corner)) <= allowed for corner in corners
    )


def along_axes_of(whole: Geometry, values: np.ndarray, part: Geometry) -> tuple[np.ndarray, Geometry]:
    """Return values (Z, Y, X) and their grid with the axes in the order and direction of another grid.

    3D Slicer reverses an axis of images whose axes are left-handed, and other programs store volumes with their axes
    in an order of their own.
    """
    axes, target = (np.array(grid.direction).reshape(3, 3) for grid in (part, whole))
    cosines = axes.T @ target
    order = np.abs(cosines).argmax(axis=0)
    if sorted(order) != [0, 1, 2]:
        return values, part
    against = cosines[order, range(3)] < 0
    size, spacing = (np.array(numbers)[order] for numbers in (part.size, part.spacing))
    last = np.zeros(3)
    last[order] = np.where(against, size - 1, 0)
    origin = part.position((last[0], last[1], last[2]))
    turned_axes = axes[:, order] * np.where(against, -1, 1)
    # Arrays have their axes in the opposite order.
    turned = np.transpose(values, [2 - order[2 - axis] for axis in range(3)])
    turned = np.flip(turned, tuple(2 - axis for axis in range(3) if against[axis]))
    return turned, Geometry(tuple(size.tolist()), tuple(spacing.tolist()), tuple(origin), tuple(turned_axes.ravel()))


def difference(first: Geometry, second: Geometry) -> str:
    """Return the first thing that two grids differ in, in words with both values."""
    if first.size != second.size:
        return f"{first.size_text()} and {second.size_text()} voxels"
    if not np.allclose(first.spacing, second.spacing, rtol=_GRID_TOLERANCE):
        return f"voxels of {first.spacing_text()} and {second.spacing_text()} mm"
    if not np.allclose(first.direction, second.direction, atol=1e-3):
        return "their axes have different directions"
    return f"they begin at {_numbers(first.origin)} and {_numbers(second.origin)} mm"


def _numbers(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:.6g}" for value in values)

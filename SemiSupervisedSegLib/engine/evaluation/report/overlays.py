"""Pictures of a case: one slice with the prototype-based and the final prediction side by side.

A structure keeps one hue everywhere. The final prediction is a 3-pixel outline without fill, the
prototype-based one a 35 % fill without outline, the annotation a 1-pixel light outline.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ....planning.grid import PlanGrid
from ....planning.plan import Plan
from ....study.model import Modality, Structure

PIXELS = 340
FILL = 0.35
OUTLINE, ANNOTATION_OUTLINE = 3, 1
LIGHT = 0.72
# A view shows the structures with surroundings to judge them by, and never less than this.
SURROUNDINGS, SMALLEST_VIEW_MM = 1.7, 40.0
CT_WINDOW = (-160.0, 240.0)
MR_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class CasePictures:
    """Three views of one slice, each an RGB array (PIXELS, PIXELS, 3) of uint8.

    Attributes:
        image: Slice of the image.
        prototype: Slice with the prototype-based prediction and the annotation.
        final: Slice with the final prediction and the annotation.
        slice_number: Number of the slice along the slice axis, from 1.
        slices: Number of slices.
    """

    image: np.ndarray
    prototype: np.ndarray
    final: np.ndarray
    slice_number: int
    slices: int


@dataclass(frozen=True)
class _View:
    """A square cut out of a slice: centre (row, column) in voxels, side in mm, mm of a voxel's row and column."""

    center: tuple[float, float]
    side: float
    spacing: tuple[float, float]
    rows_point_up: bool

    def sample(self, plane: np.ndarray, outside: float) -> np.ndarray:
        """Interpolate a slice (rows, columns) linearly at the picture's pixels."""
        steps = (np.arange(PIXELS) + 0.5) / PIXELS - 0.5
        rows, columns = (
            center + steps * self.side / spacing for center, spacing in zip(self.center, self.spacing, strict=True)
        )
        if self.rows_point_up:
            rows = rows[::-1]
        places = np.meshgrid(rows, columns, indexing="ij")
        return ndimage.map_coordinates(plane.astype(np.float32), places, order=1, cval=outside)


def case_pictures(
    image: sitk.Image,
    final: np.ndarray,
    prototype: np.ndarray,
    annotation: np.ndarray | None,
    plan: Plan,
    structures: Sequence[Structure],
    modality: Modality,
) -> CasePictures:
    """Draw the slice in which the structures are largest.

    Slices are shown as radiologists see them: the patient's right on the left, anterior or superior on top.

    Args:
        image: Original image.
        final: Class indices (z, y, x) of the final prediction on the grid of the image.
        prototype: Class indices of the prototype-based prediction.
        annotation: None where there is none; the largest final prediction then chooses the slice.
        plan: Plan, which knows the slice axis.
        structures: Structures with their colours.
        modality: Modality, which decides the grey scale.
    """
    grid = PlanGrid.of(image, plan)
    maps = [grid.arrange(classes) for classes in (final, prototype, annotation) if classes is not None]
    voxels = grid.arrange(sitk.GetArrayViewFromImage(image))
    number = _largest_slice([*maps[2:], maps[0], maps[1]])
    planes = [classes[number] for classes in maps]
    view = _view(planes, grid)
    gray = _gray(view, voxels[number], modality)
    final_masks, prototype_masks, *annotated = [_masks(view, plane, len(structures)) for plane in planes]
    colors = [structure.color for structure in structures]
    fill, outline = gray.copy(), gray.copy()
    for mask, color in zip(prototype_masks, colors, strict=True):
        fill[mask] = (1 - FILL) * fill[mask] + FILL * np.asarray(color)
    _draw_outlines(outline, final_masks, colors, OUTLINE)
    for masks in annotated:
        for picture in (fill, outline):
            _draw_outlines(picture, masks, [_lighten(color) for color in colors], ANNOTATION_OUTLINE)
    gray, fill, outline = (np.rint(picture).astype(np.uint8) for picture in (gray, fill, outline))
    return CasePictures(gray, fill, outline, slice_number=number + 1, slices=len(voxels))


def png_data_uri(picture: np.ndarray) -> str:
    """Encode an RGB picture (H, W, 3) of uint8 as PNG in a data URI."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(path))
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _largest_slice(candidates: Sequence[np.ndarray]) -> int:
    for classes in candidates:
        if classes.any():
            return int(np.count_nonzero(classes, axis=(1, 2)).argmax())
    return len(candidates[0]) // 2


def _view(planes: Sequence[np.ndarray], grid: PlanGrid) -> _View:
    spacing = grid.native_spacing[1:]
    inside = np.logical_or.reduce([plane > 0 for plane in planes])
    extents = [size * step for size, step in zip(inside.shape, spacing, strict=True)]
    center, side = tuple((size - 1) / 2 for size in inside.shape), max(extents)
    if inside.any():
        ends = [(place.min(), place.max()) for place in np.nonzero(inside)]
        center = tuple((low + high) / 2 for low, high in ends)
        widths = [(high - low + 1) * step for (low, high), step in zip(ends, spacing, strict=True)]
        side = min(side, max(SURROUNDINGS * max(widths), SMALLEST_VIEW_MM))
    # Rows run towards posterior in axial slices, towards superior in coronal and sagittal ones.
    rows_point_up = int(np.abs(grid.directions[1]).argmax()) == 2
    return _View(_keep_inside(center, side, inside.shape, spacing), side, spacing, rows_point_up)


def _keep_inside(
    center: Sequence[float], side: float, shape: Sequence[int], spacing: Sequence[float]
) -> tuple[float, float]:
    """Move the view as far as needed to show no more than necessary of what lies beside the image."""
    moved = []
    for place, size, step in zip(center, shape, spacing, strict=True):
        half = side / step / 2
        low, high = half - 0.5, size - 0.5 - half
        moved.append(min(max(place, low), high) if low <= high else (size - 1) / 2)
    return moved[0], moved[1]


def _gray(view: _View, plane: np.ndarray, modality: Modality) -> np.ndarray:
    picture = view.sample(plane, outside=float(plane.min()))
    low, high = CT_WINDOW if modality == Modality.CT else np.percentile(picture, MR_PERCENTILES)
    gray = 255 * np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    return np.repeat(gray[..., None], 3, axis=2)


def _masks(view: _View, plane: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the pixels of every structure; borders run smoothly between voxels."""
    shares = np.stack([view.sample(plane == index, outside=float(index == 0)) for index in range(count + 1)])
    classes = shares.argmax(axis=0)
    return [classes == index for index in range(1, count + 1)]


def _draw_outlines(
    picture: np.ndarray, masks: Sequence[np.ndarray], colors: Sequence[Sequence[float]], width: int
) -> None:
    # Inside of the border, so that the outlines of neighbours lie side by side.
    for mask, color in zip(masks, colors, strict=True):
        core = ndimage.binary_erosion(mask, iterations=width, border_value=1)
        picture[mask & ~core] = color


def _lighten(color: Sequence[int]) -> tuple[float, ...]:
    return tuple(channel + LIGHT * (255 - channel) for channel in color)

"""Images and annotations to the plan grid, and probabilities back to the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..study.errors import UserError
from ..study.memory import check_memory
from .grid import PlanGrid
from .plan import Plan

# From this factor of coarsening on, structure finer than the new voxels would come out as false patterns.
_BLUR_FROM_FACTOR = 1.5
# Scanners differ by less in the size of their voxels. Units differ by more, such as m or µm instead of mm.
_LARGEST_FACTOR = 50.0
# The image, its normalised and its resampled voxels, and a mask, in float32.
_BYTES_PER_VOXEL = 16


def to_plan_grid(image: sitk.Image, plan: Plan) -> np.ndarray:
    """Return the normalised voxels of a 3D image on its plan grid, float32 (slices, rows, columns).

    Raises:
        UserError: The voxels of the image and those of the plan differ so much in size that one of them is wrong, or
            the grid does not fit into the memory.
    """
    grid = PlanGrid.of(image, plan)
    _check_grid(grid, plan)
    voxels = plan.normalization.apply(sitk.GetArrayViewFromImage(image))
    return np.ascontiguousarray(_resample(grid.arrange(voxels), grid.native_spacing, grid.spacing, grid.shape))


def labels_to_plan_grid(class_map: sitk.Image, plan: Plan) -> np.ndarray:
    """Return the classes of a 3D class map on its plan grid, uint8 (slices, rows, columns).

    The indicator of each class is resampled linearly and the largest wins, which keeps borders smooth; without
    resampling the classes are copied.
    """
    grid = PlanGrid.of(class_map, plan)
    native = grid.arrange(sitk.GetArrayViewFromImage(class_map))
    if not grid.is_resampled:
        return native.astype(np.uint8, order="C")
    labels = np.zeros(grid.shape, dtype=np.uint8)
    highest = np.zeros(grid.shape, dtype=np.float32)
    # One class at a time: all of them at once would need many times the memory of the image.
    for label in np.unique(native):
        share = _resample((native == label).astype(np.float32), grid.native_spacing, grid.spacing, grid.shape)
        wins = share > highest
        labels[wins] = label
        np.maximum(highest, share, out=highest)
    return labels


def probabilities_to_image_grid(probabilities: np.ndarray, plan: Plan, reference: sitk.Image) -> np.ndarray:
    """Return maps on the plan grid, float32 (C, slices, rows, columns), on the image's own grid (C, z, y, x).

    Interpolation is linear; between the outermost voxel centres and the faces of the image the nearest value holds.

    Args:
        probabilities: Probabilities or other maps; each channel is treated alone.
        plan: Plan with which the image was brought to the plan grid.
        reference: Image, of which only the header is read.

    Raises:
        ValueError: The maps do not have the shape of the plan grid.
    """
    grid = PlanGrid.of(reference, plan)
    if probabilities.shape[1:] != grid.shape:
        raise ValueError(f"Maps of shape {probabilities.shape[1:]} are not on the plan grid {grid.shape}.")
    result = np.empty((len(probabilities), *reference.GetSize()[::-1]), dtype=np.float32)
    for channel, values in zip(result, probabilities, strict=True):
        channel[...] = grid.restore(_resample(values, grid.spacing, grid.native_spacing, grid.native_shape))
    return result


def _check_grid(grid: PlanGrid, plan: Plan) -> None:
    for native, target in zip(grid.native_spacing, plan.spacing, strict=True):
        if target is not None and not 1 / _LARGEST_FACTOR < native / target < _LARGEST_FACTOR:
            raise UserError(
                f"The voxels of the image are {native:g} mm wide, those of the training {target:g} mm.",
                "Check whether the spacing in the header of the image is right and in mm.",
            )
    voxels = max(math.prod(grid.native_shape), math.prod(grid.shape))
    check_memory(
        f"The image with {voxels:,} voxels on the grid of the training",
        _BYTES_PER_VOXEL * voxels,
        "Close other programs, crop the image, or lower in_plane_scale.",
    )


def _resample(
    voxels: np.ndarray, spacing: Sequence[float], new_spacing: Sequence[float], new_shape: Sequence[int]
) -> np.ndarray:
    """Resample linearly between two grids with the same outer faces; voxels and shape in array order."""
    if tuple(voxels.shape) == tuple(new_shape):
        return voxels
    # Both grids have the same axes, so that SimpleITK may work in a physical space turned with them: no oblique
    # direction then blurs what lies on whole voxels. All new centres lie inside the outer faces, where SimpleITK holds
    # the nearest value up to the face.
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels, dtype=np.float32))
    image.SetSpacing([float(step) for step in spacing[::-1]])
    image = _blur(image, new_spacing[::-1])
    origin = [(new - old) / 2 for old, new in zip(image.GetSpacing(), new_spacing[::-1], strict=True)]
    resampled = sitk.Resample(
        image,
        [int(count) for count in new_shape[::-1]],
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear,
        origin,
        [float(step) for step in new_spacing[::-1]],
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        0.0,
        sitk.sitkFloat32,
    )
    return sitk.GetArrayFromImage(resampled)


def _blur(image: sitk.Image, new_spacing: Sequence[float]) -> sitk.Image:
    factors = [new / old for old, new in zip(image.GetSpacing(), new_spacing, strict=True)]
    # A standard deviation of (factor - 1) / 2 old voxels leaves little above the new sampling limit.
    variances = [
        ((factor - 1) / 2 * step) ** 2 if factor >= _BLUR_FROM_FACTOR else 0.0
        for factor, step in zip(factors, image.GetSpacing(), strict=True)
    ]
    if not any(variances):
        return image
    return sitk.DiscreteGaussian(image, variances, 129, 0.01, True)

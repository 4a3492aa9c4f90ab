"""Class probabilities on the plan's grid as maps on the original grid of an image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from ...planning.plan import Plan
from ...planning.preprocess import probabilities_to_image_grid
from ..connected_components import largest_components
from .uncertainty import VoxelMaps, voxel_maps


def image_maps(
    probabilities: Tensor, plan: Plan, reference: sitk.Image, largest_component: bool, keep_shares: bool = False
) -> VoxelMaps:
    """Return the maps (z, y, x) of an image; classes are resampled one at a time, to spare memory.

    Args:
        probabilities: Class probabilities (C, slices, rows, columns) on the plan's grid.
        plan: Plan with which the image was brought to that grid.
        reference: Original image.
        largest_component: Whether only the largest connected part (26 neighbours) stays of the structures that are one
            piece in every annotation; of every structure where an older program made the plan.
        keep_shares: Whether the probability of each structure is kept as well, untouched by `largest_component`.
    """
    maps = voxel_maps(_on_image_grid(probabilities, plan, reference), plan.num_classes, keep_shares)
    if largest_component:
        whole = range(1, plan.num_classes) if plan.single_pieces is None else plan.single_pieces
        maps.classes[:] = largest_components(maps.classes, whole)
    return maps


def as_image(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """Return an array (z, y, x) as an image on the grid of another one."""
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(reference)
    return image


def _on_image_grid(probabilities: Tensor, plan: Plan, reference: sitk.Image) -> Iterator[np.ndarray]:
    for probability in probabilities:
        yield probabilities_to_image_grid(probability[None].cpu().numpy(), plan, reference)[0]

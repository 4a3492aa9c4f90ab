"""Signed distance maps: segmentation as a regression of the distance to the boundary (Xue et al., AAAI 2020)."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision
from .overlap import dice_loss, one_hot

STEEPNESS = 1500.0
"""k of the step from distances to masks, as published (DTC)."""


def signed_distance_maps(labels: Tensor, num_classes: int, *, absent: float = 1.0) -> Tensor:
    """Return the signed distance map (B, C - 1, *spatial) of every structure, from -1 to 1 (SASSNet, DTC).

    Negative inside and positive outside, in voxels to the nearest one of the other side, each side divided by its
    maximum in the patch; the voxels of the structure that touch the outside are 0. A patch that is filled by a
    structure is -1. Without the structure there is no boundary: +1 says that everything is outside; the released
    codes have 0, which says that everything is boundary.

    Distances are found by SciPy on the processor. So a step waits for the device here.

    Args:
        labels: Class indices (B, *spatial).
        num_classes: Number C of classes, background included.
        absent: Value where a patch lacks the structure.

    Examples:
        >>> signed_distance_maps(torch.tensor([[0, 0, 1, 1, 1, 1, 1, 0]]), num_classes=2)
        tensor([[[ 1.0000,  0.5000,  0.0000, -0.6667, -1.0000, -0.6667,  0.0000,
                   0.5000]]])
        >>> signed_distance_maps(torch.tensor([[0, 0]]), num_classes=2)
        tensor([[[1., 1.]]])
    """
    maps = np.empty((len(labels), num_classes - 1, *labels.shape[1:]), dtype=np.float32)
    for image, classes in zip(maps, labels.cpu().numpy(), strict=True):
        boxes = ndimage.find_objects(classes, max_label=num_classes - 1)
        for index, (signed, box) in enumerate(zip(image, boxes, strict=True), start=1):
            signed[...] = absent if box is None else _signed_distances(classes == index, box)
    return torch.from_numpy(maps).to(labels.device)


def _signed_distances(inside: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """Return the signed distances of a mask with at least one voxel, which lies in a box."""
    if inside.all():
        return np.full(inside.shape, -1.0)
    signed = ndimage.distance_transform_edt(~inside)
    signed /= signed.max()
    # The outside voxel that is nearest to one inside lies in the box or touches it.
    around = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    depth = ndimage.distance_transform_edt(inside[around])
    signed[around] -= np.where(depth > 1, depth / depth.max(), 0)
    return signed


@full_precision
def distances_to_masks(distances: Tensor) -> Tensor:
    """Return soft masks of signed distances, sigmoid(-1500 z), of the same shape (DTC, the inverse T).

    Far from the boundary the gradient vanishes: beyond 0.01 the mask is 0 or 1.

    Args:
        distances: Signed distances (B, C - 1, *spatial).

    Examples:
        >>> distances_to_masks(torch.tensor([-0.5, 0.0, 0.001, 0.5]))
        tensor([1.0000, 0.5000, 0.1824, 0.0000])
    """
    return (-STEEPNESS * distances).sigmoid()


@full_precision
def distance_regression(distances: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of predicted signed distances to the true ones (SASSNet; L_LSF of DTC).

    Args:
        distances: Predicted signed distances (B, C - 1, *spatial).
        target: Signed distances of the annotation (B, C - 1, *spatial).

    Examples:
        >>> distance_regression(torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
        tensor(1.)
    """
    return functional.mse_loss(distances, target)


@full_precision
def dual_task_consistency(logits: Tensor, distances: Tensor) -> Tensor:
    """Return the mean squared difference of the masks by two tasks, over structures and voxels (L_DTC).

    The gradient runs into both, as published.

    Args:
        logits: Logits (B, C, *spatial) of the segmentation.
        distances: Signed distances (B, C - 1, *spatial).

    Examples:
        >>> dual_task_consistency(torch.zeros(1, 2, 4), torch.ones(1, 1, 4))
        tensor(0.2500)
    """
    return functional.mse_loss(logits.softmax(dim=1)[:, 1:], distances_to_masks(distances))


@full_precision
def structure_dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean Dice loss over structures, joint over the batch, with squared denominator (SASSNet, DTC, DTML).

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).

    Examples:
        >>> labels = torch.tensor([[[0, 1], [0, 1]]])
        >>> structure_dice_loss(torch.zeros(1, 2, 2, 2), labels)
        tensor(0.3333)
    """
    return dice_loss(logits.softmax(dim=1), one_hot(labels, logits.shape[1]), include_background=False)

"""Overlap losses: Dice in its published variants, regional Dice and partial Dice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional

from .precision import full_precision

EPSILON_SQUARED, EPSILON_LINEAR = 1e-5, 1e-8
"""As published with the squared and the linear denominator."""
RegionMode = Literal["grid", "strips"]


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Turn class indices (B, *spatial) into float indicators (B, num_classes, *spatial)."""
    indicators = torch.zeros((labels.shape[0], num_classes, *labels.shape[1:]), device=labels.device)
    return indicators.scatter_(1, labels.unsqueeze(1), 1.0)


@full_precision
def dice_loss(
    probabilities: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    *,
    squared: bool = True,
    include_background: bool = True,
) -> Tensor:
    """Batch-joint soft Dice loss, mean over classes.

    1 - (2 sum p q + eps) / (sum p^2 + sum q^2 + eps) per class, with sums over batch and space
    together ("D2"); ``squared=False`` takes sum p + sum q in the denominator ("D1"). With a mask it
    is the partial Dice of CU2L section 2.2: voxels outside the mask count nowhere, and an empty mask
    costs nothing.

    Args:
        probabilities: (B, C, *spatial).
        target: (B, C, *spatial), one-hot or soft.
        mask: (B, *spatial) of 0 and 1, constant with respect to gradients.
        squared: squared or linear denominator.
        include_background: whether class 0 takes part in the mean.
    """
    if mask is not None:
        weight = mask.unsqueeze(1).to(probabilities.dtype)
        probabilities, target = probabilities * weight, target * weight
    epsilon = EPSILON_SQUARED if squared else EPSILON_LINEAR
    criterion = DiceLoss(
        include_background=include_background, squared_pred=squared, batch=True, smooth_nr=epsilon, smooth_dr=epsilon
    )
    return criterion(probabilities, target)


def region_slices(spatial: tuple[int, ...], regions: int, mode: RegionMode = "grid") -> Iterator[tuple[slice, ...]]:
    """Yield the blocks of regional Dice: ``regions`` per axis ("grid") or along the first axis ("strips").

    A block's side is ceil(size / regions); where the size is not divisible the last block is smaller.
    """
    axes = len(spatial) if mode == "grid" else 1
    per_axis = []
    for size in spatial[:axes]:
        side = math.ceil(size / regions)
        per_axis.append([slice(start, min(start + side, size)) for start in range(0, size, side)])
    for block in itertools.product(*per_axis):
        yield (*block, *(slice(None),) * (len(spatial) - axes))


@full_precision
def regional_dice_loss(
    probabilities: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    *,
    regions: int = 2,
    mode: RegionMode = "grid",
) -> Tensor:
    """K-regional Dice loss: Dice per block of the image, averaged over blocks (CU2L section 2.2).

    Blocks are positions shared by the whole batch, so a block's Dice sums over all images of the batch.
    Arguments as for :func:`dice_loss`; ``regions=1`` is Dice itself.
    """
    losses = []
    for block in region_slices(tuple(probabilities.shape[2:]), regions, mode):
        channels = (slice(None), slice(None), *block)
        part = None if mask is None else mask[(slice(None), *block)]
        losses.append(dice_loss(probabilities[channels], target[channels], part))
    return torch.stack(losses).mean()


@full_precision
def sample_dice_loss(probabilities: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Soft Dice loss with linear denominator per sample and class over the voxels of a mask, then the mean (BCP).

    Args:
        probabilities: (B, C, *spatial).
        target: (B, C, *spatial), one-hot.
        mask: (B, *spatial) of 0 and 1, constant.
    """
    weight = mask.unsqueeze(1).to(probabilities.dtype)
    epsilon = EPSILON_SQUARED
    return DiceLoss(smooth_nr=epsilon, smooth_dr=epsilon)(probabilities * weight, target * weight)


@full_precision
def masked_cross_entropy(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Mean cross-entropy over the voxels of a mask; an empty mask costs nothing (BCP, equation 7).

    Args:
        logits: (B, C, *spatial).
        labels: (B, *spatial) class indices.
        mask: (B, *spatial) of 0 and 1, constant.
    """
    voxels = functional.cross_entropy(logits, labels, reduction="none")
    return (mask * voxels).sum() / mask.sum().clamp(min=1)


@full_precision
def voxelwise_dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Dice loss as SS-Net and MC-Net take it: linear on the structures in 3D, squared on all classes in 2D.

    Args:
        logits: (B, C, *spatial).
        labels: (B, *spatial) class indices.
    """
    flat = logits.dim() == 4
    target = one_hot(labels, logits.shape[1])
    return dice_loss(logits.softmax(dim=1), target, squared=flat, include_background=flat)


@full_precision
def supervised_loss(logits: Tensor, labels: Tensor, *, regions: int = 1, mode: RegionMode = "grid") -> Tensor:
    """Half cross-entropy, half (regional) Dice over all classes: L_sup = 0.5 (CE + Dice).

    Args:
        logits: (B, C, *spatial).
        labels: (B, *spatial) class indices.
        regions: K of the regional Dice; 1 is plain Dice.
        mode: how regions are cut.
    """
    target = one_hot(labels, logits.shape[1])
    dice = regional_dice_loss(logits.softmax(dim=1), target, regions=regions, mode=mode)
    return 0.5 * (functional.cross_entropy(logits, labels) + dice)

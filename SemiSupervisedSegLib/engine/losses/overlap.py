"""Overlap losses: soft Dice (Milletari et al., 3DV 2016) in its published variants, regional and partial Dice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision

EPSILON_SQUARED, EPSILON_LINEAR = 1e-5, 1e-8
"""As published with the squared and the linear denominator."""
RegionMode = Literal["grid", "strips"]


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Turn class indices into float indicators (B, num_classes, *spatial).

    Args:
        labels: Class indices (B, *spatial).
        num_classes: Number of classes, background included.

    Examples:
        >>> one_hot(torch.tensor([[0, 2]]), num_classes=3)
        tensor([[[1., 0.],
                 [0., 0.],
                 [0., 1.]]])
    """
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
    """Return the batch-joint soft Dice loss, mean over classes.

    1 - (2 sum p q + eps) / (sum p^2 + sum q^2 + eps) per class, with sums over batch and space
    together ("D2"); ``squared=False`` takes sum p + sum q in the denominator ("D1"). With a mask it
    is the partial Dice of CU2L section 2.2: voxels outside the mask count nowhere, and an empty mask
    costs nothing.

    Args:
        probabilities: Probabilities p (B, C, *spatial).
        target: Target q (B, C, *spatial), one-hot or soft.
        mask: Mask (B, *spatial) of 0 and 1, constant with respect to gradients.
        squared: Whether the denominator is squared, otherwise linear.
        include_background: Whether class 0 takes part in the mean.

    Examples:
        >>> target = one_hot(torch.tensor([[[0, 0, 1, 1]]]), num_classes=2)
        >>> dice_loss(target, target), dice_loss(target, target.flip(1))
        (tensor(0.), tensor(1.0000))
        >>> dice_loss(torch.full_like(target, 0.5), target, squared=False)
        tensor(0.5000)
    """
    target = target.to(probabilities.dtype)
    if mask is not None:
        weight = mask.unsqueeze(1).to(probabilities.dtype)
        probabilities, target = probabilities * weight, target * weight
    epsilon = EPSILON_SQUARED if squared else EPSILON_LINEAR
    criterion = DiceLoss(
        include_background=include_background, squared_pred=squared, batch=True, smooth_nr=epsilon, smooth_dr=epsilon
    )
    return criterion(probabilities, target)


def region_slices(spatial: tuple[int, ...], regions: int, mode: RegionMode = "grid") -> Iterator[tuple[slice, ...]]:
    """Yield the blocks of regional Dice (CU2L section 2.2).

    A block's side is ceil(size / regions); where the size is not divisible the last block is smaller.

    Args:
        spatial: Size of the image in voxels.
        regions: Number K of regions along an axis.
        mode: "grid" cuts every axis, "strips" the first one only.

    Examples:
        >>> [(rows.start, rows.stop) for rows, _ in region_slices((5, 4), regions=2, mode="strips")]
        [(0, 3), (3, 5)]
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
    """Return the K-regional Dice loss: Dice per block of the image, averaged over blocks (CU2L section 2.2).

    Blocks are positions shared by the whole batch, so a block's Dice sums over all images of the batch.

    Args:
        probabilities: Probabilities (B, C, *spatial).
        target: Target (B, C, *spatial), one-hot or soft.
        mask: Mask (B, *spatial) of 0 and 1 as for :func:`dice_loss`.
        regions: Number K of regions along an axis; 1 is Dice itself.
        mode: "grid" cuts every axis, "strips" the first one only.

    Examples:
        >>> target = one_hot(torch.tensor([[[0, 0, 1, 1], [1, 1, 0, 0]]]), num_classes=2)
        >>> half_right = torch.cat([target[:, :, :1], target[:, :, 1:].flip(1)], dim=2)
        >>> regional_dice_loss(half_right, target, regions=2, mode="strips")
        tensor(0.5000)
    """
    losses = []
    for block in region_slices(tuple(probabilities.shape[2:]), regions, mode):
        channels = (slice(None), slice(None), *block)
        part = None if mask is None else mask[(slice(None), *block)]
        losses.append(dice_loss(probabilities[channels], target[channels], part))
    return torch.stack(losses).mean()


@full_precision
def sample_dice_loss(probabilities: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over samples and classes of a soft Dice loss with linear denominator (BCP, equation 7).

    Args:
        probabilities: Probabilities (B, C, *spatial).
        target: Target (B, C, *spatial), one-hot.
        mask: Mask (B, *spatial) of 0 and 1, constant.

    Examples:
        >>> target = one_hot(torch.tensor([[0, 1]]), num_classes=2)
        >>> sample_dice_loss(target.flip(1), target, mask=torch.ones(1, 2))
        tensor(1.0000)
        >>> sample_dice_loss(target.flip(1), target, mask=torch.zeros(1, 2))
        tensor(0.)
    """
    weight = mask.unsqueeze(1).to(probabilities.dtype)
    epsilon = EPSILON_SQUARED
    return DiceLoss(smooth_nr=epsilon, smooth_dr=epsilon)(probabilities * weight, target * weight)


@full_precision
def masked_cross_entropy(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy over the voxels of a mask; an empty mask costs nothing (BCP, equation 7).

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).
        mask: Mask (B, *spatial) of 0 and 1, constant.

    Examples:
        >>> logits, labels = torch.tensor([[[0.0, 50.0], [0.0, 0.0]]]), torch.tensor([[0, 1]])
        >>> masked_cross_entropy(logits, labels, torch.tensor([[1.0, 0.0]]))
        tensor(0.6931)
    """
    voxels = functional.cross_entropy(logits, labels, reduction="none")
    return (mask * voxels).sum() / mask.sum().clamp(min=1)


@full_precision
def voxelwise_dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the Dice loss of the released SS-Net and MC-Net: in 3D linear and of structures only, in 2D squared.

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).

    Examples:
        >>> labels = torch.tensor([[[0, 1], [0, 1]]])
        >>> voxelwise_dice_loss(50 * one_hot(labels, num_classes=2), labels).abs() < 1e-6
        tensor(True)
    """
    flat = logits.dim() == 4
    target = one_hot(labels, logits.shape[1])
    return dice_loss(logits.softmax(dim=1), target, squared=flat, include_background=flat)


@full_precision
def supervised_loss(logits: Tensor, labels: Tensor, *, regions: int = 1, mode: RegionMode = "grid") -> Tensor:
    """Return half cross-entropy, half (regional) Dice over all classes: L_sup = 0.5 (CE + Dice) (CU2L equation 1).

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).
        regions: Number K of regions of the regional Dice; 1 is plain Dice.
        mode: "grid" cuts every axis into regions, "strips" the first one only.

    Examples:
        >>> labels = torch.tensor([[[0, 0, 1, 1]]])
        >>> supervised_loss(torch.zeros(1, 2, 1, 4), labels)
        tensor(0.5132)
    """
    target = one_hot(labels, logits.shape[1])
    dice = regional_dice_loss(logits.softmax(dim=1), target, regions=regions, mode=mode)
    return 0.5 * (functional.cross_entropy(logits, labels) + dice)


@full_precision
def structures_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return half cross-entropy, half Dice of the structures without background (released codes of UA-MT and CauSSL).

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).

    Examples:
        >>> structures_loss(torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 1, 1]]]))
        tensor(0.5132)
    """
    dice = dice_loss(logits.softmax(dim=1), one_hot(labels, logits.shape[1]), include_background=False)
    return 0.5 * (functional.cross_entropy(logits, labels) + dice)

"""Losses of networks that are prompted with one task at a time, and the joint answer of all tasks (UniSeMi)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision
from .overlap import dice_loss, one_hot

SOFT_SHARPNESS = 10.0
"""How near the soft maximum is to the maximum: its weights are softmax(10 p)."""


@full_precision
def prompted_loss(
    logits: Tensor, labels: Tensor, unknown: Tensor | None = None, *, include_background: bool = True
) -> Tensor:
    """Return Dice plus cross-entropy, both with weight 1, over the voxels that are known (UniSeMi, equation 5).

    Dice is batch-joint with squared denominator over all channels. Where nothing is known it costs nothing.

    Args:
        logits: Logits (B, C, *spatial), the answers to each image's prompt.
        labels: Channel indices (B, *spatial).
        unknown: Voxels that count nowhere, bool (B, *spatial); None for none.
        include_background: Whether the Dice is taken over the background as well; the released code leaves it out.

    Examples:
        >>> logits, labels = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
        >>> prompted_loss(logits, labels), prompted_loss(logits, labels, labels == 0)
        (tensor(1.2931), tensor(0.))
    """
    valid = torch.ones_like(labels, dtype=torch.bool) if unknown is None else ~unknown
    voxels = functional.cross_entropy(logits, labels, reduction="none")
    cross_entropy = (voxels * valid).sum() / valid.sum().clamp(min=1)
    target = one_hot(labels, logits.shape[1])
    dice = dice_loss(logits.softmax(dim=1), target, valid, include_background=include_background)
    return dice + cross_entropy


@full_precision
def foreground_probability(logits: Tensor) -> Tensor:
    """Return the probability of any structure, 1 - p_background, (B, *spatial) (UniSeMi, equation 7).

    Args:
        logits: Logits (B, C, *spatial).

    Examples:
        >>> foreground_probability(torch.zeros(1, 4, 1, 1))
        tensor([[[0.7500]]])
    """
    return logits[:, 1:].logsumexp(dim=1).sub(logits[:, 0]).sigmoid()


@full_precision
def aggregate_foregrounds(foregrounds: Tensor, soft: bool = False) -> Tensor:
    """Return P_agg (B, *spatial), the maximum over tasks of the foreground probabilities (UniSeMi, equation 7).

    The maximum gives a gradient to one task per voxel; the soft one, sum_k w_k P_k with w = softmax(10 P), to all.

    Args:
        foregrounds: Probabilities P (K, B, *spatial) of the K tasks.
        soft: Whether the maximum is soft.

    Examples:
        >>> foregrounds = torch.tensor([[[0.1, 0.9]], [[0.2, 0.3]]])
        >>> aggregate_foregrounds(foregrounds)
        tensor([[0.2000, 0.9000]])
        >>> aggregate_foregrounds(foregrounds, soft=True)
        tensor([[0.1731, 0.8985]])
    """
    if soft:
        return ((SOFT_SHARPNESS * foregrounds).softmax(dim=0) * foregrounds).sum(dim=0)
    return foregrounds.amax(dim=0)


@full_precision
def foreground_agreement(first: Tensor, second: Tensor, *, include_background: bool = True) -> Tensor:
    """Return the Dice loss of two foreground probabilities, background beside it (UniSeMi, equation 9).

    With the squared denominator it is 0 where both are the same, whether 0, 1 or between. The released loss
    broadcasts the two maps to (B, B, ...) and so compares each image with all others; here an image is compared with
    itself.

    Args:
        first: Probabilities (B, *spatial).
        second: Probabilities (B, *spatial).
        include_background: Whether the background beside it counts; the released code leaves it out.

    Examples:
        >>> maps = torch.tensor([[0.3, 0.7]])
        >>> foreground_agreement(maps, maps).abs() < 1e-6, foreground_agreement(maps, 1 - maps)
        (tensor(True), tensor(0.2759))
    """
    pair = torch.stack([1 - first, first], dim=1), torch.stack([1 - second, second], dim=1)
    return dice_loss(*pair, include_background=include_background)

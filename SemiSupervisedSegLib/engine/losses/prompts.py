"""Losses of networks that are asked for one task at a time (UniSeMi)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .overlap import dice_loss, one_hot
from .precision import full_precision

SOFT_SHARPNESS = 10.0
"""How near the soft maximum is to the maximum: its weights are softmax(10 p)."""


@full_precision
def prompted_loss(logits: Tensor, labels: Tensor, unknown: Tensor | None = None) -> Tensor:
    """Dice plus cross-entropy, both with weight 1 (UniSeMi, equation 5), over the voxels that are known.

    Dice is batch-joint with squared denominator over all channels. Where nothing is known it costs nothing.

    Args:
        logits: (B, C, *spatial), the answers to each image's prompt.
        labels: (B, *spatial), channel indices.
        unknown: (B, *spatial) bool, voxels that count nowhere; None for none.
    """
    known = torch.ones_like(labels, dtype=torch.bool) if unknown is None else ~unknown
    voxels = functional.cross_entropy(logits, labels, reduction="none")
    cross_entropy = (voxels * known).sum() / known.sum().clamp(min=1)
    return dice_loss(logits.softmax(dim=1), one_hot(labels, logits.shape[1]), known) + cross_entropy


@full_precision
def foreground_probability(logits: Tensor) -> Tensor:
    """Probability of any structure, 1 - p_background, (B, *spatial) of logits (B, C, *spatial)."""
    return logits[:, 1:].logsumexp(dim=1).sub(logits[:, 0]).sigmoid()


@full_precision
def aggregate_foregrounds(foregrounds: Tensor, soft: bool = False) -> Tensor:
    """P_agg = max over tasks of the foreground probabilities (K, B, *spatial) (UniSeMi, equation 7).

    The maximum gives a gradient to one task per voxel; the soft one, sum_k w_k P_k with w = softmax(10 P), to all.
    """
    if soft:
        return ((SOFT_SHARPNESS * foregrounds).softmax(dim=0) * foregrounds).sum(dim=0)
    return foregrounds.amax(dim=0)


@full_precision
def foreground_agreement(first: Tensor, second: Tensor) -> Tensor:
    """Dice loss of two foreground probabilities (B, *spatial), background beside it (UniSeMi, equation 9).

    With the squared denominator it is 0 where both are the same, whether 0, 1 or between.
    """
    return dice_loss(torch.stack([1 - first, first], dim=1), torch.stack([1 - second, second], dim=1))

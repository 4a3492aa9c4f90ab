"""Consistency of predictions that one network makes at several scales."""

from __future__ import annotations

import math

from torch import Tensor

from ..precision import full_precision

EPSILON = 1e-8


@full_precision
def pyramid_consistency(logits: Tensor) -> Tensor:
    """Return how far predictions at several scales are from their mean (URPC section 2.2).

    With q the mean of the S predictions p_s and D_s = sum_c q log(q / p_s) of a voxel,
    L = 1/S sum_s [mean e^(-D_s) (q - p_s)^2 / mean e^(-D_s) + mean D_s]: where a scale is uncertain it counts less,
    and uncertainty itself costs. The gradient runs into q as well, as published.

    Args:
        logits: Logits (S, B, C, *spatial) at full resolution.

    Examples:
        >>> log_odds = math.log(3)  # probabilities of 0.75 and 0.25 at one scale, of 0.25 and 0.75 at the other
        >>> pyramid_consistency(torch.tensor([log_odds, 0.0, 0.0, log_odds]).view(2, 1, 2, 1))
        tensor(0.2063)
    """
    log_predictions = logits.log_softmax(dim=2)
    # The logarithm of the mean without the mean, which can be 0 in float32 and would have no gradient.
    log_mean = log_predictions.logsumexp(dim=0) - math.log(len(logits))
    mean = log_mean.exp()
    divergence = (mean * (log_mean - log_predictions)).sum(dim=2)
    certainty = (-divergence).exp()
    squares = (certainty.unsqueeze(2) * (mean - log_predictions.exp()).square()).flatten(1).mean(dim=1)
    rectified = squares / (certainty.flatten(1).mean(dim=1) + EPSILON)
    return (rectified + divergence.flatten(1).mean(dim=1)).mean()

"""The stochastic segmentation head: a Gaussian over the logits of all voxels together."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..tensors import promote
from .layers import CONVOLUTION
from .output import NetworkOutput

LOG_VARIANCE_RANGE = (-10.0, 5.0)
"""The diversity of samples lowers the energy distance, so that the variance would grow without bound."""
VARIANCE_EPSILON = 1e-5


class LogitDistribution(NamedTuple):
    """Logits eta ~ N(mu, P P^T + D) over all voxels and classes of an image.

    Attributes:
        mean: Mean mu (B, C, *spatial).
        deviation: Square root of the diagonal D, (B, C, *spatial).
        factor: Factor P (B, r, C, *spatial).
    """

    mean: Tensor
    deviation: Tensor
    factor: Tensor

    def masked(self, tissue: Tensor) -> LogitDistribution:
        """Return the distribution that is almost certain outside of a mask (B, 1, *spatial) of 0 and 1."""
        deviation = torch.where(tissue.bool(), self.deviation, math.sqrt(VARIANCE_EPSILON))
        return LogitDistribution(self.mean, deviation, self.factor * tissue.unsqueeze(1))


class LowRankHead(nn.Module):
    """1x1 convolutions of ReLU(f) to the covariance of the logits (Monteiro et al., NeurIPS 2020; AUA equation 5).

    The mean is the logits of the network itself, so that the network predicts without this head.
    """

    def __init__(self, dimensions: int, channels: int, num_classes: int, rank: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        self.rank = rank
        self.log_variance = convolution(channels, num_classes, 1)
        self.factor = convolution(channels, num_classes * rank, 1)

    def forward(self, output: NetworkOutput) -> LogitDistribution:
        """Return the distribution, in float32, around the logits of an embedded network's answer."""
        rectified = output.decoder_full.relu()
        log_variance = promote(self.log_variance(rectified)).clamp(*LOG_VARIANCE_RANGE)
        variance = log_variance.exp() + 2 * VARIANCE_EPSILON
        factor = promote(self.factor(rectified)).unflatten(1, (self.rank, -1))
        return LogitDistribution(promote(output.logits), variance.sqrt(), factor)

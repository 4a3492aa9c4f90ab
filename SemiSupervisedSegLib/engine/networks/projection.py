"""Projection of features into the space of a contrastive loss."""

from __future__ import annotations

from torch import nn

from .layers import BATCH_NORM, CONVOLUTION


class PointwiseProjection(nn.Sequential):
    """Three 1x1 convolutions of one width, with batch normalisation and ReLU between (AUA section IV-B).

    The unit length of its output (B, L, *spatial) is left to the loss. The released code has no batch normalisation.
    """

    def __init__(self, dimensions: int, channels: int, *, normalized: bool) -> None:
        convolution, norm = CONVOLUTION[dimensions], BATCH_NORM[dimensions]
        layers: list[nn.Module] = []
        for _ in range(2):
            layers.append(convolution(channels, channels, 1))
            if normalized:
                layers.append(norm(channels))
            layers.append(nn.ReLU())
        super().__init__(*layers, convolution(channels, channels, 1))

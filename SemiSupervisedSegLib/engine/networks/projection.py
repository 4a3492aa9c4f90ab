"""Projection of features into the space of a contrastive loss."""

from __future__ import annotations

from monai.networks.layers.factories import Conv, Norm
from torch import nn


class PointwiseProjection(nn.Sequential):
    """Three 1x1 convolutions of one width, with batch normalisation and ReLU between (AUA section IV-B).

    The unit length of its output (B, L, *spatial) is left to the loss. The released code has no batch normalisation.
    """

    def __init__(self, dimensions: int, channels: int, *, normalized: bool) -> None:
        convolution, norm = Conv["conv", dimensions], Norm["batch", dimensions]
        layers: list[nn.Module] = []
        for _ in range(2):
            layers.append(convolution(channels, channels, 1))
            if normalized:
                layers.append(norm(channels))
            layers.append(nn.ReLU())
        super().__init__(*layers, convolution(channels, channels, 1))

"""Layers by the number of dimensions, and their initial weights."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOLING = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
TRANSPOSED_CONVOLUTION = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
CHANNEL_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}
GLOBAL_POOLING = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}

Network = TypeVar("Network", bound=nn.Module)

_Kernels = nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d


def convolution_like(layer: nn.Conv2d | nn.Conv3d, in_channels: int, out_channels: int) -> nn.Module:
    """Return a convolution with the kernel of another one whose maps keep their size, such as a second classifier.

    Args:
        layer: Convolution with an odd kernel of equal sides.
        in_channels: Channels of the maps (B, in_channels, *spatial).
        out_channels: Channels of the result (B, out_channels, *spatial).
    """
    side = layer.kernel_size[0]
    return CONVOLUTION[len(layer.kernel_size)](in_channels, out_channels, side, padding=side // 2)


def kaiming_normal(network: Network) -> Network:
    """Draw the kernels of all convolutions of a network again (He et al., ICCV 2015) and return it."""
    for module in network.modules():
        if isinstance(module, _Kernels):
            nn.init.kaiming_normal_(module.weight)
    return network


def xavier_normal(network: Network) -> Network:
    """Draw the kernels of all convolutions of a network again (Glorot and Bengio, AISTATS 2010) and return it."""
    for module in network.modules():
        if isinstance(module, _Kernels):
            nn.init.xavier_normal_(module.weight)
    return network

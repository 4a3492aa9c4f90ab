"""Initial weights that differ from those of the networks themselves."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from ...networks.base import SegmentationNetwork

Network = TypeVar("Network", bound=SegmentationNetwork)
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def kaiming_normal(network: Network) -> Network:
    """Draw the kernels of all convolutions anew (He et al., ICCV 2015) and return the network."""
    for module in network.modules():
        if isinstance(module, _CONVOLUTIONS):
            nn.init.kaiming_normal_(module.weight)
    return network

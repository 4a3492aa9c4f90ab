"""A convolution whose kernels depend on the image, as ASE-Net puts into networks (Lei et al., IEEE TMI 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..precision import full_precision
from .base import SegmentationNetwork
from .layers import CONVOLUTION, GLOBAL_POOLING

KERNELS, SIDE = 4, 3
REDUCTION = 0.25
"""Width of the attention's hidden layer as a share of the channels."""
TEMPERATURE = 34.0
"""As high as released, so that all kernels are trained alike at first."""

_CONVOLVE = {2: functional.conv2d, 3: functional.conv3d}


class DynamicConvolution(nn.Module):
    """Adds to maps what kernels that were mixed for each image find in them, weighted place by place.

    h + g conv(h; sum_k a_k W_k): a = softmax(attention(h) / 34) mixes four depthwise kernels (Chen et al., CVPR 2020),
    and g = sigmoid(w z) is a gate for each place of the result z (spatial squeeze and excitation, Roy et al., MICCAI
    2018). That the input is added is a choice of this project.

    Args:
        dimensions: Number of dimensions, 2 or 3.
        channels: Channels of the maps.
    """

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        convolution, hidden = CONVOLUTION[dimensions], int(channels * REDUCTION) + 1
        self.attention = nn.Sequential(
            GLOBAL_POOLING[dimensions](1),
            convolution(channels, hidden, 1, bias=False),
            nn.ReLU(),
            convolution(hidden, KERNELS, 1),
        )
        # All kernels in one tensor of the shape of a convolution's, which every memory order admits.
        self.kernels = nn.Parameter(torch.empty(KERNELS * channels, 1, *(SIDE,) * dimensions))
        nn.init.kaiming_uniform_(self.kernels)
        self.gate = convolution(channels, 1, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return new maps for maps (B, L, *spatial)."""
        shares = (self.attention(maps).flatten(1) / TEMPERATURE).softmax(dim=1)
        found = _convolve_each(maps, shares, self.kernels)
        return maps + found * self.gate(found).sigmoid()


@full_precision
def _convolve_each(maps: Tensor, shares: Tensor, kernels: Tensor) -> Tensor:
    """Return depthwise convolutions of maps (B, L, *spatial) with the kernels (K L, 1, *sides) in shares (B, K)."""
    count, channels = maps.shape[:2]
    mixed = torch.einsum("bk,k...->b...", shares, kernels.unflatten(0, (KERNELS, channels))).flatten(0, 1)
    # All images in one convolution, each channel of each as a group of its own.
    convolve = _CONVOLVE[maps.dim() - 2]
    together = maps.reshape(1, count * channels, *maps.shape[2:])
    return convolve(together, mixed, padding=SIDE // 2, groups=count * channels).view_as(maps)


def with_dynamic_convolution(network: SegmentationNetwork) -> SegmentationNetwork:
    """Put a dynamic convolution behind the last stage (B, L, *coarse) of the encoder; the network is changed in place.

    Where the block belongs is left open by the paper, which calls it part of any segmentation network.
    """
    stages, channels = network.encoder.stages, network.feature_channels["bottleneck"]
    assert isinstance(stages, nn.ModuleList)
    stages[-1] = nn.Sequential(stages[-1], DynamicConvolution(len(network.classifier().kernel_size), channels))
    return network

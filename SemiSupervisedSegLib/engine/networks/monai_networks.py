"""MONAI's BasicUNet, cut into encoder, decoder and head so that every feature level can be taken."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.layers.factories import Conv
from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from torch import Tensor, nn

from .base import SegmentationNetwork

CHANNELS = (32, 32, 64, 128, 256)
LAST_CHANNELS = 32
ACTIVATION = ("LeakyReLU", {"negative_slope": 0.1, "inplace": True})
NORMALIZATION = ("instance", {"affine": True})


class BasicUNetEncoder(nn.Module):
    """Five stages of 32 to 256 channels, halved by max pooling."""

    def __init__(self, dimensions: int, in_channels: int) -> None:
        super().__init__()
        common = (ACTIVATION, NORMALIZATION, True)
        first = TwoConv(dimensions, in_channels, CHANNELS[0], *common)
        downs = [Down(dimensions, CHANNELS[i], CHANNELS[i + 1], *common) for i in range(len(CHANNELS) - 1)]
        self.stages = nn.ModuleList([first, *downs])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the five stages, finest first."""
        maps: list[Tensor] = []
        current = images
        for stage in self.stages:
            current = stage(current)
            maps.append(current)
        return maps


class BasicUNetDecoder(nn.Module):
    """Four stages of transposed convolution, concatenation and two convolutions."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        outputs = (*CHANNELS[3:0:-1], LAST_CHANNELS)
        inputs = (CHANNELS[4], *outputs[:-1])
        skips = CHANNELS[3::-1]
        self.stages = nn.ModuleList(
            UpCat(dimensions, inputs[i], skips[i], outputs[i], ACTIVATION, NORMALIZATION, True, halves=i < 3)
            for i in range(len(outputs))
        )

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps of the four up stages, coarsest first."""
        maps: list[Tensor] = []
        current = skips[-1]
        for stage, skip in zip(self.stages, reversed(skips[:-1]), strict=True):
            current = stage(current, skip)
            maps.append(current)
        return maps


def monai_basic_unet(dimensions: int, in_channels: int, num_classes: int) -> SegmentationNetwork:
    """Build MONAI's BasicUNet in 2D or 3D, with the same layers and the same number of parameters.

    Half-resolution features and the classifier's input have 32 channels.
    """
    head = Conv["conv", dimensions](LAST_CHANNELS, num_classes, kernel_size=1)
    return SegmentationNetwork(BasicUNetEncoder(dimensions, in_channels), BasicUNetDecoder(dimensions), head, CHANNELS)

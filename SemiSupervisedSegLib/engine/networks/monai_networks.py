"""MONAI's BasicUNet, cut into encoder, decoder and head so that every feature level can be taken."""

from __future__ import annotations

from collections.abc import Iterable

from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from torch import nn

from .base import SegmentationNetwork, StagedDecoder, StagedEncoder, Upsampling
from .layers import CONVOLUTION

CHANNELS = (32, 32, 64, 128, 256)
LAST_CHANNELS = 32
ACTIVATION = ("LeakyReLU", {"negative_slope": 0.1, "inplace": True})
NORMALIZATION = ("instance", {"affine": True})


def monai_basic_unet(
    dimensions: int, in_channels: int, num_classes: int, upsampling: Upsampling = "transposed"
) -> SegmentationNetwork:
    """Build MONAI's BasicUNet in 2D or 3D, with the same layers and the same number of parameters.

    Half-resolution features and the classifier's input have 32 channels.
    """
    common = (ACTIVATION, NORMALIZATION, True)
    first = TwoConv(dimensions, in_channels, CHANNELS[0], *common)
    downs = [Down(dimensions, CHANNELS[i - 1], CHANNELS[i], *common) for i in range(1, len(CHANNELS))]
    outputs = (*CHANNELS[3:0:-1], LAST_CHANNELS)
    inputs = (CHANNELS[4], *outputs[:-1])
    skips = CHANNELS[3::-1]
    how = "deconv" if upsampling == "transposed" else "nontrainable"
    ups = [
        UpCat(dimensions, inputs[i], skips[i], outputs[i], *common, upsample=how, halves=i < 3)
        for i in range(len(outputs))
    ]
    if upsampling == "nearest":
        _repeat_voxels(ups)
    head = CONVOLUTION[dimensions](LAST_CHANNELS, num_classes, kernel_size=1)
    return SegmentationNetwork(StagedEncoder([first, *downs]), StagedDecoder(ups), head, CHANNELS, upsampling)


def _repeat_voxels(stages: Iterable[nn.Module]) -> None:
    """Make the interpolating layers take the nearest voxel; MONAI sets `align_corners` as well there."""
    for stage in stages:
        for module in stage.modules():
            if isinstance(module, nn.Upsample):
                module.mode, module.align_corners = "nearest", None

"""The 3D U-Net of the brain-tumour and kidney experiments (CPCL)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .base import SegmentationNetwork

CHANNELS = (16, 32, 64, 128, 256)
DROPOUT = 0.3


class ConvolutionBlock(nn.Sequential):
    """Two 3x3x3 convolutions, each with instance normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv3d(in_channels, out_channels, 3, padding=1),
            nn.InstanceNorm3d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(out_channels, out_channels, 3, padding=1),
            nn.InstanceNorm3d(out_channels),
            nn.ReLU(inplace=True),
        )


class UNet3DEncoder(nn.Module):
    """Five stages of 16 to 256 channels, halved by max pooling, dropout after the last."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        widths = (in_channels, *CHANNELS)
        self.stages = nn.ModuleList(ConvolutionBlock(widths[i], widths[i + 1]) for i in range(len(CHANNELS)))
        self.pool = nn.MaxPool3d(2)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the five stages, finest first."""
        maps = [self.stages[0](images)]
        for stage in self.stages[1:]:
            maps.append(stage(self.pool(maps[-1])))
        maps[-1] = self.dropout(maps[-1])
        return maps


class UNet3DDecoder(nn.Module):
    """Trilinear upsampling and concatenation back to 16 channels, dropout after the last stage."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)
        self.stages = nn.ModuleList(
            ConvolutionBlock(CHANNELS[i] + CHANNELS[i - 1], CHANNELS[i - 1]) for i in range(len(CHANNELS) - 1, 0, -1)
        )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps of the four up stages, coarsest first."""
        maps: list[Tensor] = []
        current = skips[-1]
        for stage, skip in zip(self.stages, reversed(skips[:-1]), strict=True):
            current = stage(torch.cat([skip, self.upsample(current)], dim=1))
            maps.append(current)
        maps[-1] = self.dropout(maps[-1])
        return maps


def unet_3d(in_channels: int, num_classes: int) -> SegmentationNetwork:
    """Build the 3D U-Net with 5.88 M parameters, initialised after Kaiming.

    Spatial sizes must be multiples of 16.
    """
    head = nn.Conv3d(CHANNELS[0], num_classes, 1)
    network = SegmentationNetwork(UNet3DEncoder(in_channels), UNet3DDecoder(), head, CHANNELS)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight)
    return network

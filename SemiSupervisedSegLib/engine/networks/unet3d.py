"""The 3D U-Net of the brain-tumour and kidney experiments (CPCL)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import SegmentationNetwork, StagedDecoder, StagedEncoder, Upsampling, interpolation
from .layers import kaiming_normal

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


class UpStage(nn.Module):
    """Trilinear x2, concatenation [skip, up], convolution block."""

    def __init__(self, in_channels: int, skip_channels: int, dropout: float, upsampling: Upsampling) -> None:
        super().__init__()
        self.upsample: nn.Module
        if upsampling == "transposed":
            self.upsample = nn.ConvTranspose3d(in_channels, in_channels, 2, stride=2)
        else:
            self.upsample = interpolation(3, upsampling, align_corners=False)
        self.block = ConvolutionBlock(in_channels + skip_channels, skip_channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Merge a coarse map (B, L, *coarse) with the skip connection (B, L', *spatial) of twice its resolution."""
        return self.dropout(self.block(torch.cat([skip, self.upsample(coarse)], dim=1)))


def unet_3d(in_channels: int, num_classes: int, upsampling: Upsampling = "linear") -> SegmentationNetwork:
    """Build the 3D U-Net with 5.88 M parameters, initialised after Kaiming.

    Five stages of 16 to 256 channels, halved by max pooling, and four back to 16, with dropout after the bottleneck
    and the last stage. Spatial sizes must be multiples of 16.
    """
    last = len(CHANNELS) - 1
    first = ConvolutionBlock(in_channels, CHANNELS[0])
    downs = [nn.Sequential(nn.MaxPool3d(2), ConvolutionBlock(CHANNELS[i - 1], CHANNELS[i])) for i in range(1, last + 1)]
    downs[-1].append(nn.Dropout(DROPOUT))
    ups = [UpStage(CHANNELS[i], CHANNELS[i - 1], DROPOUT if i == 1 else 0.0, upsampling) for i in range(last, 0, -1)]
    head = nn.Conv3d(CHANNELS[0], num_classes, 1)
    network = SegmentationNetwork(StagedEncoder([first, *downs]), StagedDecoder(ups), head, CHANNELS, upsampling)
    return kaiming_normal(network)

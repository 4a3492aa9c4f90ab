"""The 2D U-Net of the ACDC and prostate experiments (CU2L, SS-Net and the common 2D benchmark)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from .base import SegmentationNetwork
from .dropout import Dropout

CHANNELS = (16, 32, 64, 128, 256)
ENCODER_DROPOUT = (0.05, 0.1, 0.2, 0.3, 0.5)


class ConvolutionBlock(nn.Sequential):
    """Two 3x3 convolutions, each with batch normalisation and LeakyReLU(0.01), with dropout between."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.01, inplace=True),
            Dropout(dropout),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.01, inplace=True),
        )


class UNet2DEncoder(nn.Module):
    """Five stages of 16 to 256 channels, halved by max pooling."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        widths = (in_channels, *CHANNELS)
        self.stages = nn.ModuleList(
            ConvolutionBlock(widths[i], widths[i + 1], ENCODER_DROPOUT[i]) for i in range(len(CHANNELS))
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the five stages, finest first."""
        maps = [self.stages[0](images)]
        for stage in self.stages[1:]:
            maps.append(stage(self.pool(maps[-1])))
        return maps


class UpStage(nn.Module):
    """1x1 convolution to the skip's width, bilinear x2, concatenation [skip, up], convolution block."""

    def __init__(self, in_channels: int, skip_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, skip_channels, 1)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.block = ConvolutionBlock(2 * skip_channels, skip_channels, dropout=0.0)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Merge a coarse map with the skip connection of twice its resolution."""
        first, *rest = self.block
        from_skip, from_coarse = first.weight.split(skip.shape[1], dim=1)
        # The first convolution of [skip, up] as the sum of one for each: channels-last, a concatenation and the
        # convolution's weight gradient cost more than the sum.
        merged = functional.conv2d(skip, from_skip, first.bias, padding=1)
        merged = merged + functional.conv2d(self.upsample(self.reduce(coarse)), from_coarse, padding=1)
        for layer in rest:
            merged = layer(merged)
        return merged


class UNet2DDecoder(nn.Module):
    """Four up stages back to 16 channels at full resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(UpStage(CHANNELS[i], CHANNELS[i - 1]) for i in range(len(CHANNELS) - 1, 0, -1))

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps of the four up stages, coarsest first."""
        maps: list[Tensor] = []
        current = skips[-1]
        for stage, skip in zip(self.stages, reversed(skips[:-1]), strict=True):
            current = stage(current, skip)
            maps.append(current)
        return maps


def unet_2d(in_channels: int, num_classes: int) -> SegmentationNetwork:
    """Build the 2D U-Net with 1.81 M parameters (1,813,764 for 1 channel and 4 classes).

    Spatial sizes must be multiples of 16. Half-resolution features have 32 channels, the
    classifier's input has 16.
    """
    head = nn.Conv2d(CHANNELS[0], num_classes, 3, padding=1)
    return SegmentationNetwork(UNet2DEncoder(in_channels), UNet2DDecoder(), head, CHANNELS)

"""The 2D U-Net of the ACDC and prostate experiments (CU2L, SS-Net and the common 2D benchmark)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .base import SegmentationNetwork, StagedDecoder, StagedEncoder, Upsampling, interpolation
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


class UpStage(nn.Module):
    """1x1 convolution to the skip's width, bilinear x2, concatenation [skip, up], convolution block.

    A transposed convolution does the first two in one; "nearest" repeats pixels.
    """

    def __init__(self, in_channels: int, skip_channels: int, upsampling: Upsampling) -> None:
        super().__init__()
        self.reduce: nn.Module
        self.upsample: nn.Module
        if upsampling == "transposed":
            self.reduce = nn.Identity()
            self.upsample = nn.ConvTranspose2d(in_channels, skip_channels, 2, stride=2)
        else:
            self.reduce = nn.Conv2d(in_channels, skip_channels, 1)
            self.upsample = interpolation(2, upsampling, align_corners=True)
        self.block = ConvolutionBlock(2 * skip_channels, skip_channels, dropout=0.0)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Merge a coarse map (B, L, *coarse) with the skip connection (B, L', *spatial) of twice its resolution."""
        first, *rest = self.block
        assert isinstance(first, nn.Conv2d)
        from_skip, from_coarse = first.weight.split(skip.shape[1], dim=1)
        # The first convolution of [skip, up] as the sum of one for each: channels-last, a concatenation and the
        # convolution's weight gradient cost more than the sum.
        merged = functional.conv2d(skip, from_skip, first.bias, padding=1)
        merged = merged + functional.conv2d(self.upsample(self.reduce(coarse)), from_coarse, padding=1)
        for layer in rest:
            merged = layer(merged)
        return merged


def unet_2d(in_channels: int, num_classes: int, upsampling: Upsampling = "linear") -> SegmentationNetwork:
    """Build the 2D U-Net with 1.81 M parameters (1,813,764 for 1 channel and 4 classes).

    Five stages of 16 to 256 channels, halved by max pooling, and four back to 16. Spatial sizes must be multiples of
    16. Half-resolution features have 32 channels, the
    classifier's input has 16.
    """
    first = ConvolutionBlock(in_channels, CHANNELS[0], ENCODER_DROPOUT[0])
    downs = [
        nn.Sequential(nn.MaxPool2d(2), ConvolutionBlock(CHANNELS[i - 1], CHANNELS[i], ENCODER_DROPOUT[i]))
        for i in range(1, len(CHANNELS))
    ]
    ups = [UpStage(CHANNELS[i], CHANNELS[i - 1], upsampling) for i in range(len(CHANNELS) - 1, 0, -1)]
    head = nn.Conv2d(CHANNELS[0], num_classes, 3, padding=1)
    return SegmentationNetwork(StagedEncoder([first, *downs]), StagedDecoder(ups), head, CHANNELS, upsampling)

"""A U-Net for short trainings: voxels are folded into channels, so that nothing is computed at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn

from .base import SegmentationNetwork, StagedDecoder, StagedEncoder, Upsampling, interpolation
from .layers import BATCH_NORM, CONVOLUTION, MAX_POOLING, TRANSPOSED_CONVOLUTION

CHANNELS = (32, 64, 128, 256)
FULL_CHANNELS = 16
FOLD = 2


class ConvolutionBlock(nn.Sequential):
    """Two convolutions of side 3, each with batch normalisation and LeakyReLU(0.01)."""

    def __init__(self, dimensions: int, in_channels: int, out_channels: int) -> None:
        layers: list[nn.Module] = []
        for before in (in_channels, out_channels):
            layers += [
                CONVOLUTION[dimensions](before, out_channels, 3, padding=1, bias=False),
                BATCH_NORM[dimensions](out_channels),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        super().__init__(*layers)


class Fold(nn.Module):
    """Turns blocks of 2 voxels along each axis into channels (Shi et al., CVPR 2016)."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, images: Tensor) -> Tensor:
        """Return images (B, C, *spatial) as (B, C * 2^D, *half)."""
        return pixelunshuffle(images, self.dimensions, FOLD)


class Unfold(nn.Module):
    """Turns channels back into blocks of 2 voxels along each axis."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, features: Tensor) -> Tensor:
        """Return features (B, C * 2^D, *half) as (B, C, *spatial)."""
        return pixelshuffle(features, self.dimensions, FOLD)


class UpStage(nn.Module):
    """Convolution of side 1 to the skip's width, x2, sum of a convolution of each with the skip's, one more."""

    def __init__(self, dimensions: int, in_channels: int, skip_channels: int, upsampling: Upsampling) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        self.reduce: nn.Module
        self.upsample: nn.Module
        if upsampling == "transposed":
            transposed = TRANSPOSED_CONVOLUTION[dimensions]
            self.reduce, self.upsample = nn.Identity(), transposed(in_channels, skip_channels, 2, stride=2)
        else:
            self.reduce = convolution(in_channels, skip_channels, 1)
            self.upsample = interpolation(dimensions, upsampling, align_corners=False)
        self.from_skip = convolution(skip_channels, skip_channels, 3, padding=1, bias=False)
        self.from_coarse = convolution(skip_channels, skip_channels, 3, padding=1, bias=False)
        self.rest = nn.Sequential(
            BATCH_NORM[dimensions](skip_channels),
            nn.LeakyReLU(0.01, inplace=True),
            convolution(skip_channels, skip_channels, 3, padding=1, bias=False),
            BATCH_NORM[dimensions](skip_channels),
            nn.LeakyReLU(0.01, inplace=True),
        )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Merge a coarse map (B, L, *coarse) with the skip connection (B, L', *spatial) of twice its resolution."""
        return self.rest(self.from_skip(skip) + self.from_coarse(self.upsample(self.reduce(coarse))))


class FoldedDecoder(StagedDecoder):
    """A decoder whose last map is unfolded to full resolution."""

    def __init__(self, stages: Sequence[nn.Module], unfold: nn.Module) -> None:
        super().__init__(stages)
        self.unfold = unfold

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps (B, L, *spatial) of all stages, coarsest first, and the one at full resolution."""
        maps = super().forward(skips)
        return [*maps, self.unfold(maps[-1])]


def unfolding(dimensions: int, in_channels: int, out_channels: int) -> nn.Sequential:
    """Return layers that turn maps (B, C, *half) into maps (B, C', *spatial) of twice the resolution."""
    channels = out_channels * FOLD**dimensions
    return nn.Sequential(
        CONVOLUTION[dimensions](in_channels, channels, 1, bias=False),
        # Else background, most of an image, drives nearly all channels to where structures lie in the flat part of the
        # activation and look alike to the classifier.
        BATCH_NORM[dimensions](channels),
        nn.LeakyReLU(0.01, inplace=True),
        Unfold(dimensions),
    )


def folded_unet(
    dimensions: int, in_channels: int, num_classes: int, upsampling: Upsampling = "linear"
) -> SegmentationNetwork:
    """Build the folded U-Net in 2D or 3D.

    Blocks of two voxels along each axis become channels, four stages of 32 to 256 channels and three back to 32 follow,
    and the last map is unfolded to 16 channels at full resolution, the classifier's input. Spatial sizes must be
    multiples of 16. A training step takes about half the time of the 2D U-Net's, as most of that is spent at full
    resolution (Docs/benchmarks.md).
    """
    first = nn.Sequential(Fold(dimensions), ConvolutionBlock(dimensions, in_channels * FOLD**dimensions, CHANNELS[0]))
    downs = [
        nn.Sequential(MAX_POOLING[dimensions](2), ConvolutionBlock(dimensions, before, after))
        for before, after in pairwise(CHANNELS)
    ]
    ups = [UpStage(dimensions, CHANNELS[i], CHANNELS[i - 1], upsampling) for i in range(len(CHANNELS) - 1, 0, -1)]
    decoder = FoldedDecoder(ups, unfolding(dimensions, CHANNELS[0], FULL_CHANNELS))
    head = CONVOLUTION[dimensions](FULL_CHANNELS, num_classes, 1)
    channels = (FULL_CHANNELS, *CHANNELS)
    return SegmentationNetwork(StagedEncoder([first, *downs]), decoder, head, channels, upsampling)

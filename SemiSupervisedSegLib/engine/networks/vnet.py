"""The V-Net of the left-atrium and pancreas experiments (AUA, SS-Net, UniSeMi and their baselines)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from .base import SegmentationNetwork

CHANNELS = (16, 32, 64, 128, 256)
ENCODER_LAYERS = (1, 2, 3, 3, 3)
DECODER_LAYERS = (3, 3, 2, 1)
DROPOUT = 0.5

Normalization = Literal["batch", "instance"]


def _normalization(kind: Normalization, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if kind == "batch" else nn.InstanceNorm3d(channels)


def _stage(layers: int, in_channels: int, channels: int, norm: Normalization) -> nn.Sequential:
    """Plain 3x3x3 convolutions with normalisation and ReLU; no residual connection inside."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts.append(nn.Conv3d(in_channels if layer == 0 else channels, channels, 3, padding=1))
        parts += [_normalization(norm, channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


def _resample(convolution: nn.Module, channels: int, norm: Normalization) -> nn.Sequential:
    return nn.Sequential(convolution, _normalization(norm, channels), nn.ReLU(inplace=True))


class VNetEncoder(nn.Module):
    """Five stages of 16 to 256 channels, halved by strided 2x2x2 convolutions, dropout at the end."""

    def __init__(self, in_channels: int, norm: Normalization, dropout: float) -> None:
        super().__init__()
        widths = (in_channels, *CHANNELS[1:])
        self.stages = nn.ModuleList(
            _stage(ENCODER_LAYERS[i], widths[i], CHANNELS[i], norm) for i in range(len(CHANNELS))
        )
        self.downs = nn.ModuleList(
            _resample(nn.Conv3d(CHANNELS[i], CHANNELS[i + 1], 2, stride=2), CHANNELS[i + 1], norm)
            for i in range(len(CHANNELS) - 1)
        )
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the five stages, finest first."""
        maps = [self.stages[0](images)]
        for down, stage in zip(self.downs, self.stages[1:], strict=True):
            maps.append(stage(down(maps[-1])))
        maps[-1] = self.dropout(maps[-1])
        return maps


class VNetDecoder(nn.Module):
    """Transposed convolutions and additive skip connections back to 16 channels, dropout at the end."""

    def __init__(self, norm: Normalization, dropout: float) -> None:
        super().__init__()
        widths = CHANNELS[::-1]
        self.ups = nn.ModuleList(
            _resample(nn.ConvTranspose3d(widths[i], widths[i + 1], 2, stride=2), widths[i + 1], norm)
            for i in range(len(DECODER_LAYERS))
        )
        self.stages = nn.ModuleList(
            _stage(layers, widths[i + 1], widths[i + 1], norm) for i, layers in enumerate(DECODER_LAYERS)
        )
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps of the four up stages, coarsest first."""
        maps: list[Tensor] = []
        current = skips[-1]
        for up, stage, skip in zip(self.ups, self.stages, reversed(skips[:-1]), strict=True):
            current = stage(up(current) + skip)
            maps.append(current)
        maps[-1] = self.dropout(maps[-1])
        return maps


def v_net(
    in_channels: int, num_classes: int, norm: Normalization = "batch", dropout: float = DROPOUT
) -> SegmentationNetwork:
    """Build the V-Net (9,448,866 parameters with batch normalisation, 1 channel and 2 classes).

    Spatial sizes must be multiples of 16. Instance normalisation (without affine parameters) and no
    dropout is the UniSeMi form.
    """
    head = nn.Conv3d(CHANNELS[0], num_classes, 1)
    return SegmentationNetwork(VNetEncoder(in_channels, norm, dropout), VNetDecoder(norm, dropout), head, CHANNELS)

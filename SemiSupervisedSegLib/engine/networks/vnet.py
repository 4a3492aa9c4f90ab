"""The V-Net of the left-atrium and pancreas experiments (AUA, SS-Net, UniSeMi and their baselines)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from .base import SegmentationNetwork, StagedDecoder, StagedEncoder, Upsampling, interpolation

CHANNELS = (16, 32, 64, 128, 256)
ENCODER_LAYERS = (1, 2, 3, 3, 3)
DECODER_LAYERS = (3, 3, 2, 1)
DROPOUT = 0.5

Normalization = Literal["batch", "instance"]


def _normalization(kind: Normalization, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if kind == "batch" else nn.InstanceNorm3d(channels)


def _stage(layers: int, in_channels: int, channels: int, norm: Normalization) -> nn.Sequential:
    """Build plain 3x3x3 convolutions with normalisation and ReLU; no residual connection inside."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts.append(nn.Conv3d(in_channels if layer == 0 else channels, channels, 3, padding=1))
        parts += [_normalization(norm, channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


def _resample(convolution: nn.Module, channels: int, norm: Normalization) -> nn.Sequential:
    return nn.Sequential(convolution, _normalization(norm, channels), nn.ReLU(inplace=True))


class UpStage(nn.Module):
    """Transposed convolution, additive skip connection, plain convolutions, dropout."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        layers: int,
        norm: Normalization,
        dropout: float,
        upsampling: Upsampling,
    ) -> None:
        super().__init__()
        self.up = _resample(_up_convolution(in_channels, channels, upsampling), channels, norm)
        self.block = _stage(layers, channels, channels, norm)
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Merge a coarse map (B, L, *coarse) with the skip connection (B, L', *spatial) of twice its resolution."""
        return self.dropout(self.block(self.up(coarse) + skip))


def _up_convolution(in_channels: int, channels: int, upsampling: Upsampling) -> nn.Module:
    """Return a transposed convolution, or interpolation and a 3x3x3 one (MC-Net's second decoder)."""
    if upsampling == "transposed":
        return nn.ConvTranspose3d(in_channels, channels, 2, stride=2)
    convolution = nn.Conv3d(in_channels, channels, 3, padding=1)
    return nn.Sequential(interpolation(3, upsampling, align_corners=True), convolution)


def _down_stage(index: int, norm: Normalization) -> nn.Sequential:
    before, channels = CHANNELS[index - 1], CHANNELS[index]
    down = _resample(nn.Conv3d(before, channels, 2, stride=2), channels, norm)
    return nn.Sequential(down, _stage(ENCODER_LAYERS[index], channels, channels, norm))


def v_net(
    in_channels: int,
    num_classes: int,
    norm: Normalization = "batch",
    dropout: float = DROPOUT,
    upsampling: Upsampling = "transposed",
) -> SegmentationNetwork:
    """Build the V-Net (9,448,866 parameters with batch normalisation, 1 channel and 2 classes).

    Five stages of 16 to 256 channels, halved by strided 2x2x2 convolutions, and four back to 16 by transposed ones,
    with dropout of whole channels after the bottleneck and the last stage. Spatial sizes must be multiples of 16.
    Instance normalisation (without affine parameters) and no dropout is the UniSeMi form.
    """
    last = len(CHANNELS) - 1
    first = _stage(ENCODER_LAYERS[0], in_channels, CHANNELS[0], norm)
    downs = [_down_stage(index, norm) for index in range(1, last + 1)]
    downs[-1].append(nn.Dropout3d(dropout))
    ups = [
        UpStage(CHANNELS[i], CHANNELS[i - 1], DECODER_LAYERS[last - i], norm, dropout if i == 1 else 0.0, upsampling)
        for i in range(last, 0, -1)
    ]
    head = nn.Conv3d(CHANNELS[0], num_classes, 1)
    return SegmentationNetwork(StagedEncoder([first, *downs]), StagedDecoder(ups), head, CHANNELS, upsampling)

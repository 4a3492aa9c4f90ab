"""The shape that all networks share: an encoder of stages, a decoder of stages and a head."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from torch import Tensor, nn

from .output import FeatureLevel, NetworkOutput
from .small_maps import protect_small_maps

Upsampling = Literal["transposed", "linear", "nearest"]
"""How a decoder doubles the resolution: by transposed convolutions or by interpolation."""


def interpolation(dimensions: int, upsampling: Upsampling, *, align_corners: bool) -> nn.Upsample:
    """Return a layer that doubles the resolution without weights, "linear" or "nearest"."""
    if upsampling == "nearest":
        return nn.Upsample(scale_factor=2, mode="nearest")
    return nn.Upsample(scale_factor=2, mode=("bilinear", "trilinear")[dimensions - 2], align_corners=align_corners)


class StagedEncoder(nn.Module):
    """Stages in a row, each but the first at half the resolution of the one before."""

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps (B, L, *spatial) of all stages of images (B, C_in, *spatial), finest first."""
        maps: list[Tensor] = []
        current = images
        for stage in self.stages:
            current = stage(current)
            maps.append(current)
        return maps


class StagedDecoder(nn.Module):
    """Stages that each merge the coarser map with the skip connection of twice its resolution."""

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps (B, L, *spatial) of all stages, coarsest first, from an encoder's maps."""
        maps: list[Tensor] = []
        current = skips[-1]
        for stage, skip in zip(self.stages, reversed(skips[:-1]), strict=True):
            current = stage(current, skip)
            maps.append(current)
        return maps


class SegmentationNetwork(nn.Module):
    """An encoder, a decoder and a head that can be used apart.

    A method with several decoders (MC-Net, CCT, URPC) owns more of them beside the one encoder.

    Args:
        encoder: Module from images (B, C_in, *spatial) to a list of maps, finest first, bottleneck last.
        decoder: Module from that list to the maps of the decoder stages, coarsest first.
        head: Module from the last decoder map to logits (B, num_classes, *spatial).
        channels: Widths of the encoder's stages, finest first; the decoder mirrors them.
        upsampling: Way in which the decoder doubles the resolution.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: StagedDecoder,
        head: nn.Module,
        channels: Sequence[int],
        upsampling: Upsampling,
    ) -> None:
        super().__init__()
        self.feature_channels: dict[FeatureLevel, int] = {
            "bottleneck": channels[-1],
            "decoder_half": channels[1],
            "decoder_full": channels[0],
        }
        # The decoder has a stage less than the encoder, and the finest one is no coarse map.
        self.coarse_channels = tuple(channels[1:-1][:2])
        self.channels = tuple(channels)
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.upsampling = upsampling
        protect_small_maps(self)

    def classifier(self) -> nn.Conv2d | nn.Conv3d:
        """Return the head of a network that was built by itself, a convolution to the logits."""
        assert isinstance(self.head, nn.Conv2d | nn.Conv3d)
        return self.head

    def for_classes(self, classes: Collection[int]) -> nn.Module:
        """Return the network for images that show some classes only; most networks segment all classes anyway.

        Args:
            classes: Class indices of the structures.
        """
        return self

    def forward(self, images: Tensor) -> NetworkOutput:
        """Segment images (B, C_in, *spatial)."""
        return self.from_skips(self.encoder(images))

    def from_skips(self, skips: Sequence[Tensor]) -> NetworkOutput:
        """Return the output for the encoder's maps (B, L, *spatial), finest first, as other decoders read them."""
        stages = self.decoder(skips)
        quarter = stages[-3] if len(stages) > 2 else None
        return NetworkOutput(self.head(stages[-1]), skips[-1], stages[-2], stages[-1], quarter)

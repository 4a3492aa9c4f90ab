"""The shape that all networks share: an encoder, a decoder and a head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .output import FeatureLevel, NetworkOutput


class SegmentationNetwork(nn.Module):
    """An encoder, a decoder and a head that can be used apart.

    A method with several decoders (MC-Net, CCT, URPC) owns more of them beside the one encoder.

    Args:
        encoder: images (B, C_in, *spatial) to a list of maps, finest first, bottleneck last.
        decoder: that list to the maps of the decoder stages, coarsest first.
        head: the last decoder map to logits (B, num_classes, *spatial).
        channels: widths of the encoder's stages, finest first; the decoder mirrors them.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: nn.Module, channels: Sequence[int]) -> None:
        super().__init__()
        self.feature_channels: dict[FeatureLevel, int] = {
            "bottleneck": channels[-1],
            "decoder_half": channels[1],
            "decoder_full": channels[0],
        }
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    def forward(self, images: Tensor) -> NetworkOutput:
        """Segment images (B, C_in, *spatial)."""
        skips = self.encoder(images)
        stages = self.decoder(skips)
        return NetworkOutput(self.head(stages[-1]), skips[-1], stages[-2], stages[-1])

"""What every network answers: logits and the feature maps from which prototypes are taken."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

FeatureLevel = Literal["bottleneck", "decoder_half", "decoder_full"]
"""Where prototypes are taken: the last encoder stage (CPCL), the decoder stage at half
resolution (CU2L) or the input of the classifier (SS-Net, AUA)."""


class NetworkOutput(NamedTuple):
    """The answer of a segmentation network to images of shape (B, C_in, *spatial).

    Attributes:
        logits: Logits (B, num_classes, *spatial).
        bottleneck: Maps (B, L, *coarse) of the last encoder stage.
        decoder_half: Maps (B, L, *half) of the decoder stage at half resolution.
        decoder_full: Maps (B, L, *spatial), the input of the classifier.
        decoder_quarter: Maps (B, L, *quarter) of the decoder stage at quarter resolution, None where there is none.
    """

    logits: Tensor
    bottleneck: Tensor
    decoder_half: Tensor
    decoder_full: Tensor
    decoder_quarter: Tensor | None = None

    @property
    def coarse_maps(self) -> tuple[Tensor, ...]:
        """Return the maps of the decoder at half and, where there is one, quarter resolution."""
        return (self.decoder_half,) if self.decoder_quarter is None else (self.decoder_half, self.decoder_quarter)

    def features(self, level: FeatureLevel) -> Tensor:
        """Return the feature map of one level."""
        return getattr(self, level)

    def split(self, count: int) -> tuple[NetworkOutput, NetworkOutput]:
        """Return the outputs for the first ``count`` images and for the remaining ones."""
        maps = [each for each in self if each is not None]
        return NetworkOutput(*(each[:count] for each in maps)), NetworkOutput(*(each[count:] for each in maps))

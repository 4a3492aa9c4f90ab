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
    """

    logits: Tensor
    bottleneck: Tensor
    decoder_half: Tensor
    decoder_full: Tensor

    def features(self, level: FeatureLevel) -> Tensor:
        """Return the feature map of one level."""
        return getattr(self, level)

    def split(self, count: int) -> tuple[NetworkOutput, NetworkOutput]:
        """Return the outputs for the first ``count`` images and for the remaining ones."""
        return NetworkOutput(*(maps[:count] for maps in self)), NetworkOutput(*(maps[count:] for maps in self))

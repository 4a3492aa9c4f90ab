"""Prediction layers for the coarser maps of a decoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from .base import SegmentationNetwork
from .dropout import Dropout
from .layers import convolution_like
from .perturbations import FeatureDropout, FeatureNoise


class PyramidHeads(nn.Module):
    """Classifies the decoder's maps below full resolution, each disturbed on its own (URPC section 2.1).

    The layers are convolutions like the network's classifier. As in the released code, the maps of slices at 1/8, 1/4
    and 1/2 of the resolution go through dropout 0.5, dropout of the places of highest attention, and noise, and their
    logits are enlarged by repeating pixels; the maps of volumes lose whole channels with probabilities of 0.5, 0.3 and
    0.2, and their logits are interpolated. The decoder itself is left as it is, so that any network can be used; in the
    released code for volumes, the channels are missing in the finer maps, too.

    Args:
        network: Network whose decoder's maps are classified.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        classifier = network.classifier()
        flat = isinstance(classifier, nn.Conv2d)
        self.mode = "nearest" if flat else "trilinear"
        widths = network.channels[-2:0:-1]
        disturbances = (
            [Dropout(0.5), FeatureDropout(), FeatureNoise()] if flat else [nn.Dropout3d(p) for p in (0.5, 0.3, 0.2)]
        )
        self.heads = nn.ModuleList(
            nn.Sequential(disturbance, convolution_like(classifier, width, classifier.out_channels))
            for disturbance, width in zip(disturbances[-len(widths) :], widths, strict=True)
        )

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> list[Tensor]:
        """Return the logits (B, C, *spatial) of each of the coarse maps (B, L, *coarse), coarsest first.

        Args:
            maps: Maps of the decoder below full resolution, coarsest first.
            size: Size of the images in voxels.
        """
        coarse = [head(features) for head, features in zip(self.heads, maps, strict=True)]
        return [functional.interpolate(logits, size=tuple(size), mode=self.mode) for logits in coarse]

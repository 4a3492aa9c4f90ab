"""A network that maps images of one site to how another site would show them (AHDC, Chen et al., IEEE TMI 2022)."""

from __future__ import annotations

from torch import Tensor, nn

from .base import SegmentationNetwork
from .layers import convolution_like


class ImageMapping(nn.Module):
    """An image plus what a network computes from it, at first nothing.

    Args:
        network: Network for segmentation, whose classifier is replaced.

    Examples:
        >>> import torch
        >>> from .unet2d import unet_2d
        >>> images = torch.rand(2, 1, 16, 16)
        >>> torch.equal(ImageMapping(unet_2d(1, 3))(images), images)
        True
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        classifier = network.classifier()
        change = convolution_like(classifier, classifier.in_channels, 1)
        for parameter in change.parameters():
            nn.init.zeros_(parameter)
        network.head = change
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return images (B, 1, *spatial) as of the other site."""
        return images + self.network(images).logits.to(images.dtype)

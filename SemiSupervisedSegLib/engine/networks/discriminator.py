"""The discriminator of the adversarial methods: does this segmentation belong to a labeled image?"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from .layers import CHANNEL_DROPOUT, CONVOLUTION, GLOBAL_POOLING
from .small_maps import protect_small_maps

CHANNELS = (64, 128, 256, 512)
NUM_ANSWERS = 2
UNLABELED, LABELED = 0, 1


class Discriminator(nn.Module):
    """Judges a probability map together with its image (DAN, in the public benchmark's form).

    Map and image go through a strided 4x4 convolution each, to 64 channels, and are added; three more such
    convolutions double the channels, with LeakyReLU(0.2) and dropout 0.5 between, but
    in 2D not after the sum. Averaging over all of space, where
    the benchmark pools with a window made for 256x256, admits every patch whose sides are at least 16.

    Args:
        dimensions: Number of dimensions, 2 or 3.
        num_classes: Number of channels of the probability map.
        in_channels: Number of channels of the image.
    """

    def __init__(self, dimensions: int, num_classes: int, in_channels: int) -> None:
        super().__init__()
        convolution, dropout = CONVOLUTION[dimensions], CHANNEL_DROPOUT[dimensions]
        self.from_map = convolution(num_classes, CHANNELS[0], 4, stride=2, padding=1)
        self.from_image = convolution(in_channels, CHANNELS[0], 4, stride=2, padding=1)
        # In the benchmark's 2D form the sum goes straight to the next convolution; identities keep the weights' places.
        first = (nn.Identity(), nn.Identity()) if dimensions == 2 else (nn.LeakyReLU(0.2), dropout(0.5))
        layers: list[nn.Module] = [*first]
        for before, after in itertools.pairwise(CHANNELS):
            layers += [convolution(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2), dropout(0.5)]
        self.rest = nn.Sequential(
            *layers[:-1], GLOBAL_POOLING[dimensions](1), nn.Flatten(), nn.Linear(CHANNELS[-1], NUM_ANSWERS)
        )
        protect_small_maps(self)

    def forward(self, probabilities: Tensor, images: Tensor) -> Tensor:
        """Return logits (B, 2), unlabeled and labeled, of maps (B, C, *spatial) and images (B, C_in, *spatial)."""
        return self.rest(self.from_map(probabilities) + self.from_image(images))

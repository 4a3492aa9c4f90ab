"""A classifier that tells from the coarsest features of a part of an image where in the image the part was."""

from __future__ import annotations

from torch import nn

from .layers import GLOBAL_POOLING

SIDE = 2
HIDDEN = 4096
SLOPE = 0.2


class LocationHead(nn.Sequential):
    """Two linear layers from features (B, L, *coarse) to a score for each place (B, places) (MagicNet).

    The map is pooled to a side of 2, which that of the published cubes of 32 voxels has by itself.

    Args:
        dimensions: Number of dimensions, 2 or 3.
        channels: Number of channels L.
        places: Number of places.
    """

    def __init__(self, dimensions: int, channels: int, places: int) -> None:
        super().__init__(
            GLOBAL_POOLING[dimensions](SIDE),
            nn.Flatten(),
            nn.Linear(channels * SIDE**dimensions, HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.LeakyReLU(SLOPE),
            nn.Linear(HIDDEN, places),
        )

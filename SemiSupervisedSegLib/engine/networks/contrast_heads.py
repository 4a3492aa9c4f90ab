"""Heads that describe slices and regions by vectors for a contrastive loss (Chaitanya, NeurIPS 2020)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import BATCH_NORM, CONVOLUTION
from .slice_grid import grid_means

GRID = 5
"""Side of the grid to which the maps of a slice are averaged; the paper's patches of 160 have maps of that size."""
HIDDEN, LENGTH = 1024, 128
REGION = 3
"""Side of a region in voxels of the map."""


class SliceHead(nn.Sequential):
    """g_1: two linear layers on the encoder's last map of a slice.

    Args:
        channels: Channels of the map.
    """

    def __init__(self, channels: int) -> None:
        hidden = nn.Linear(channels * GRID**2, HIDDEN, bias=False)
        super().__init__(hidden, nn.ReLU(inplace=True), nn.Linear(HIDDEN, LENGTH, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """Return vectors (N, 128) of all slices of maps (B, L, *coarse), those of volumes along the first axis."""
        return super().forward(grid_means(maps, GRID).flatten(1))


class RegionHead(nn.Module):
    """g_2: two 1x1 convolutions on a map of the decoder, and one linear layer on each of some regions of it.

    The regions are at the corners, in the middle of edges and faces, in the centre, and halfway between the corners
    and the centre: 13 for slices, 35 for volumes.

    Args:
        dimensions: Spatial dimensions of the maps, 2 or 3.
        channels: Channels of the map.
    """

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        self.places = region_places(dimensions)
        self.embedding = nn.Sequential(
            convolution(channels, channels, 1, bias=False),
            BATCH_NORM[dimensions](channels),
            nn.ReLU(inplace=True),
            convolution(channels, channels, 1, bias=False),
        )
        self.projection = nn.Linear(channels * REGION**dimensions, LENGTH, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return vectors (B, A, 128) of the regions of maps (B, L, *spatial)."""
        embedded = self.embedding(maps)
        lacking = [max(0, REGION - size) for size in embedded.shape[2:]]
        embedded = functional.pad(embedded, [each for size in reversed(lacking) for each in (0, size)])
        return self.projection(torch.stack([region(embedded, place).flatten(1) for place in self.places], dim=1))


def region_places(dimensions: int) -> list[tuple[float, ...]]:
    """Return the places of the regions as shares of the size of the map (Chaitanya, A = 13 in 2D).

    Args:
        dimensions: Number of coordinates D of a place.

    Examples:
        >>> len(region_places(2)), len(region_places(3)), region_places(2)[-1]
        (13, 35, (0.75, 0.75))
    """
    halves, quarters = (itertools.product(marks, repeat=dimensions) for marks in ((0.0, 0.5, 1.0), (0.25, 0.75)))
    return [*halves, *quarters]


def region(maps: Tensor, place: tuple[float, ...]) -> Tensor:
    """Return the region (B, L, 3, ...) of maps (B, L, *spatial) at a place (Chaitanya, K = 3).

    Args:
        maps: Maps of 3 voxels at least along each axis.
        place: Place as a share of the size of the map along each axis.
    """
    for axis, share in enumerate(place, start=2):
        last = maps.shape[axis] - REGION
        # As released, the last voxels of large maps are in no region.
        maps = maps.narrow(axis, int(share * max(last - 1, 0)), REGION)
    return maps

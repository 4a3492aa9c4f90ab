"""Heads that predict distances to boundaries and describe each slice by them (SimCVD, You et al., IEEE TMI 2022)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from .base import SegmentationNetwork
from .distance_head import DistanceHead
from .dropout import Dropout
from .slice_grid import grid_means

DROPOUT = 0.1
GRID = 16
"""Side of the grid to which the distances of a slice are averaged."""
HIDDEN, LENGTH = 128, 64
"""Widths of the projection."""


class Boundaries(NamedTuple):
    """What is predicted of the boundaries in images.

    Attributes:
        distances: Signed distances (B, C - 1, *spatial) of every structure.
        slices: Vectors (N, L) of all slices, those of volumes along the first axis.
    """

    distances: Tensor
    slices: Tensor


class BoundaryHeads(nn.Module):
    """Dropout, a head for signed distance maps, and a projection of the maps of each slice to a vector.

    Two networks, or one twice, see an image differently by the dropout alone, whatever the network. The projection has
    two layers; the form of both is a choice of this project.

    Args:
        network: Network whose classifier's input is read.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        structures = network.classifier().out_channels - 1
        self.distances = nn.Sequential(Dropout(DROPOUT), DistanceHead(network))
        self.projection = nn.Sequential(
            nn.Linear(structures * GRID**2, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, LENGTH)
        )

    def forward(self, features: Tensor) -> Boundaries:
        """Return what is predicted from the classifier's input (B, L, *spatial)."""
        distances = self.distances(features)
        return Boundaries(distances, self.projection(grid_means(distances, GRID).flatten(1)))

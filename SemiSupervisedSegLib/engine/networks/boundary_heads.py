"""Heads that predict distances to boundaries and describe each slice by them (SimCVD, You et al., IEEE TMI 2022)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import SegmentationNetwork
from .distance_head import DistanceHead
from .dropout import Dropout

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
        # The slices of volumes join the batch.
        slices = distances.movedim(2, 1).flatten(0, 1) if distances.dim() == 5 else distances
        return Boundaries(distances, self.projection(_to_grid(slices).flatten(1)))


def _to_grid(slices: Tensor) -> Tensor:
    """Return the means (N, C, GRID, GRID) of images (N, C, rows, columns) over blocks, as products with matrices.

    The gradient of PyTorch's own pooling is not the same twice on graphics cards.
    """
    rows, columns = (
        functional.adaptive_avg_pool1d(torch.eye(side, dtype=slices.dtype, device=slices.device), GRID)
        for side in slices.shape[2:]
    )
    return rows.mT @ slices @ columns

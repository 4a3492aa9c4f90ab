"""Slices of maps at a fixed size, whatever that of the maps, for projections of whole slices (SimCVD; Chaitanya)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def grid_means(maps: Tensor, side: int) -> Tensor:
    """Return the means (N, C, side, side) of each slice over blocks of rows and columns, as products with matrices.

    The gradient of PyTorch's own pooling is not the same twice on graphics cards.

    Args:
        maps: Maps (B, C, rows, columns), or (B, C, slices, rows, columns) of volumes, whose slices join the batch.
        side: Blocks along rows and along columns.

    Examples:
        >>> grid_means(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), side=1)
        tensor([[[[4.]]]])
        >>> grid_means(torch.rand(2, 3, 4, 10, 12), side=5).shape
        torch.Size([8, 3, 5, 5])
    """
    slices = maps.movedim(2, 1).flatten(0, 1) if maps.dim() == 5 else maps
    rows, columns = (
        functional.adaptive_avg_pool1d(torch.eye(length, dtype=maps.dtype, device=maps.device), side)
        for length in slices.shape[2:]
    )
    return rows.mT @ slices @ columns

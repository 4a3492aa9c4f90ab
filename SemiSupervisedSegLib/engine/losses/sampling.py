"""Which voxels a loss on few voxels sees."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def near_boundary(labels: Tensor, *, one_sided: bool = False) -> Tensor:
    """Return where a neighbourhood contains two classes or more, bool (B, *spatial).

    With 3 voxels a side and two classes this is where the structure and the background, each dilated by one voxel,
    overlap: a band on both sides of the boundary, so that both classes are in it.

    Args:
        labels: class indices (B, *spatial).
        one_sided: neighbourhoods of 2 voxels a side that reach forward only, as the released code of AUA dilates.
    """
    dimensions = labels.dim() - 1
    pool = (functional.max_pool2d, functional.max_pool3d)[dimensions - 2]
    side, before = (2, 0) if one_sided else (3, 1)
    padded = functional.pad(labels.unsqueeze(1).float(), (before, 1) * dimensions, mode="replicate")
    largest, smallest = pool(padded, side, stride=1), -pool(-padded, side, stride=1)
    return (largest > smallest).squeeze(1)


def draw_voxels(mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Draw up to ``count`` voxels of a mask (B, *spatial) per image, at random and without a wait for the device.

    Returns their flat indices (B, k) with k = min(count, voxels), and which of them are in the mask, bool (B, k): where
    it has fewer voxels, the rest of the places are filled with others.
    """
    flat = mask.flatten(1)
    keys = torch.where(flat, torch.rand(flat.shape, device=flat.device), -1.0)
    drawn, indices = keys.topk(min(count, flat.shape[1]), dim=1, sorted=False)
    return indices, drawn >= 0


def features_at(features: Tensor, indices: Tensor) -> Tensor:
    """Return the features (B, k, L) of maps (B, L, *spatial) at flat voxel indices (B, k)."""
    flat = features.flatten(2)
    return flat.gather(2, indices.unsqueeze(1).expand(-1, flat.shape[1], -1)).mT

"""Choice of the voxels that a contrastive loss compares (AUA equation 10)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def near_boundary(labels: Tensor, *, one_sided: bool = False) -> Tensor:
    """Return where a neighbourhood contains two classes or more, bool (B, *spatial) (AUA equation 10).

    With 3 voxels a side and two classes this is where the structure and the background, each dilated by one voxel,
    overlap: a band on both sides of the boundary, so that both classes are in it.

    Args:
        labels: Class indices (B, *spatial).
        one_sided: Whether neighbourhoods have 2 voxels a side and reach backward only, as the released code of AUA
            dilates.

    Examples:
        >>> near_boundary(torch.tensor([[[0, 0, 0, 1, 1, 1]]])).int()
        tensor([[[0, 0, 1, 1, 0, 0]]], dtype=torch.int32)
    """
    dimensions = labels.dim() - 1
    pool = (functional.max_pool2d, functional.max_pool3d)[dimensions - 2]
    side, before, after = (2, 1, 0) if one_sided else (3, 1, 1)
    padded = functional.pad(labels.unsqueeze(1).float(), (before, after) * dimensions, mode="replicate")
    largest, smallest = pool(padded, side, stride=1), -pool(-padded, side, stride=1)
    return (largest > smallest).squeeze(1)


def draw_voxels(mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Draw voxels of a mask in each image, at random and without a wait for the device (AUA equation 10).

    Args:
        mask: Mask (B, *spatial), bool.
        count: Largest number of voxels of an image.

    Returns:
        Flat indices (B, k) with k = min(count, voxels), and which of them are in the mask, bool (B, k): where it has
        fewer voxels, the rest of the places are filled with voxels outside.

    Examples:
        >>> indices, inside = draw_voxels(torch.tensor([[True, False, False, True]]), count=3)
        >>> sorted(indices[inside].tolist()), int(inside.sum())
        ([0, 3], 2)
    """
    flat = mask.flatten(1)
    keys = torch.where(flat, torch.rand(flat.shape, device=flat.device), -1.0)
    drawn, indices = keys.topk(min(count, flat.shape[1]), dim=1, sorted=False)
    return indices, drawn >= 0


def features_at(features: Tensor, indices: Tensor) -> Tensor:
    """Return the features (B, k, L) of some voxels (AUA equation 10).

    Args:
        features: Feature maps (B, L, *spatial).
        indices: Flat indices of voxels (B, k).

    Examples:
        >>> features_at(torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), torch.tensor([[2, 0]]))
        tensor([[[3., 6.],
                 [1., 4.]]])
    """
    flat = features.flatten(2)
    return flat.gather(2, indices.unsqueeze(1).expand(-1, flat.shape[1], -1)).mT

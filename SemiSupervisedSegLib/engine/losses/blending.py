"""Pseudo-labels that are blended from two predictions by how frequent their classes are (MagicNet, CVPR 2023)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..precision import full_precision


@full_precision
def blended_classes(logits: Tensor, cube_logits: Tensor, frequencies: Tensor) -> Tensor:
    """Return the likeliest classes (B, *spatial) of (1 - w) z + w z_cube (MagicNet, cube-wise pseudo-label blending).

    w is the frequency of the class that z says there, in units of the highest one: what is frequent is decided by the
    prediction of single cubes, what is rare by that of the whole image. Without any frequencies z decides.

    Args:
        logits: Logits z (B, C, *spatial) of whole images.
        cube_logits: Logits z_cube (B, C, *spatial) of cubes that were seen one by one.
        frequencies: Numbers of voxels (C,) of each class among earlier pseudo-labels.

    Examples:
        >>> whole, cubes = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[[0.0, 5.0], [2.0, 0.0]]])
        >>> blended_classes(whole, cubes, frequencies=torch.tensor([90.0, 9.0]))
        tensor([[1, 1]])
    """
    shares = frequencies / frequencies.amax().clamp_min(1)
    weight = shares[logits.argmax(dim=1)].unsqueeze(1).to(logits)
    return torch.lerp(logits, cube_logits, weight).argmax(dim=1)

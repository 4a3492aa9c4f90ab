"""Masks that mix two images: boxes (BCP section 3.2), slices and cubes (UniSeMi section 4.3, figure 6)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ...tensors import append_axes

MaskKind = Literal["zero_centered", "slices", "random"]
CUBE = 6
"""Side of the random cubes in voxels."""


def outside_a_box(images: Tensor, side: float) -> Tensor:
    """Draw a mask M (*spatial), 0 in a box at a random place and 1 outside of it (BCP section 3.2).

    Args:
        images: Images (B, C_in, *spatial) of the size of the mask.
        side: Side of the box along each axis, as a share of the image.

    Examples:
        >>> keep = outside_a_box(torch.zeros(1, 1, 12, 9), side=2 / 3)
        >>> keep.shape, (keep == 0).sum()
        (torch.Size([12, 9]), tensor(48))
    """
    mask = torch.ones(images.shape[2:], device=images.device)
    box = []
    for size in images.shape[2:]:
        length = int(side * size)
        # Drawn on the CPU, so that no step waits for the device.
        start = int(torch.randint(size - length + 1, ()))
        box.append(slice(start, start + length))
    mask[tuple(box)] = 0
    return mask


def paste(around: Tensor, inside: Tensor, keep: Tensor) -> Tensor:
    """Return ``around`` where a mask is 1 and ``inside`` elsewhere (BCP equations 3 and 4).

    Args:
        around: Images (B, C_in, *spatial) or labels (B, *spatial).
        inside: Images or labels of the same shape.
        keep: Mask (*spatial) of 0 and 1.

    Examples:
        >>> paste(torch.tensor([[1, 1, 1]]), torch.tensor([[7, 8, 9]]), keep=torch.tensor([1.0, 0.0, 1.0]))
        tensor([[1, 8, 1]])
    """
    return torch.where(keep.bool(), around, inside)


def cutmix_mask(images: Tensor, kind: MaskKind, smallest: float, largest: float) -> Tensor:
    """Draw a mask M (*spatial), 1 where the first image stays and 0 where the second one is pasted in.

    "zero_centered" is one box at a random place, "slices" exchanges whole slices along the first axis (rows of a flat
    image), "random" cubes of 6 voxels (UniSeMi section 4.3, figure 6).

    Args:
        images: Images (B, C_in, *spatial) of the size of the mask.
        kind: Kind of the mask.
        smallest: Smallest share that is pasted in: of each side for a box, of all slices or cubes otherwise.
        largest: Largest such share; it is drawn evenly in between.

    Examples:
        >>> keep = cutmix_mask(torch.zeros(1, 1, 12, 8), "slices", smallest=0.25, largest=0.25)
        >>> keep.shape, keep[:, 0].sum()
        (torch.Size([12, 8]), tensor(9.))
    """
    # Drawn on the CPU, so that no step waits for the device.
    share = smallest + (largest - smallest) * float(torch.rand(()))
    if kind == "zero_centered":
        return outside_a_box(images, share)
    mask = _slices(images, share) if kind == "slices" else _cubes(images, share)
    return mask.float().to(images.device, non_blocking=True)


def _slices(images: Tensor, share: float) -> Tensor:
    size = images.shape[2:]
    keep = torch.ones(size[0], dtype=torch.bool)
    keep[torch.randperm(size[0])[: round(share * size[0])]] = False
    return append_axes(keep, images[0, 0]).expand(size)


def _cubes(images: Tensor, share: float) -> Tensor:
    size = images.shape[2:]
    mask = torch.rand([math.ceil(side / CUBE) for side in size]) >= share
    for axis, side in enumerate(size):
        mask = mask.repeat_interleave(CUBE, dim=axis).narrow(axis, 0, side)
    return mask

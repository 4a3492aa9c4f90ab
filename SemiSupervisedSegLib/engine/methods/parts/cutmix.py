"""Masks that mix two images: the three kinds of UniSeMi (section 4.3, figure 6)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from .mixing import outside_a_box

MaskKind = Literal["zero_centered", "slices", "random"]
CUBE = 6
"""Side of the random cubes in voxels."""


def cutmix_mask(images: Tensor, kind: MaskKind, smallest: float, largest: float) -> Tensor:
    """Draw M (*spatial), 1 where the first image stays and 0 where the second one is pasted in.

    "zero_centered" is one box at a random place, "slices" exchanges whole slices along the first axis (rows of a flat
    image), "random" cubes of 6 voxels.

    Args:
        images: of the size of the mask, (B, C_in, *spatial).
        kind: of the mask.
        smallest: share that is pasted in: of each side for a box, of all slices or cubes otherwise.
        largest: of that share, which is drawn evenly in between.
    """
    # Drawn on the CPU, so that no step waits for the device.
    share = smallest + (largest - smallest) * float(torch.rand(()))
    if kind == "zero_centered":
        return outside_a_box(images, share)
    mask = _slices(images, share) if kind == "slices" else _cubes(images, share)
    return mask.float().to(images.device, non_blocking=True)


def _slices(images: Tensor, share: float) -> Tensor:
    count, *others = images.shape[2:]
    kept = torch.ones(count, dtype=torch.bool)
    kept[torch.randperm(count)[: round(share * count)]] = False
    return kept.view(-1, *(1,) * len(others)).expand(count, *others)


def _cubes(images: Tensor, share: float) -> Tensor:
    size = images.shape[2:]
    mask = torch.rand([math.ceil(side / CUBE) for side in size]) >= share
    for axis, side in enumerate(size):
        mask = mask.repeat_interleave(CUBE, dim=axis).narrow(axis, 0, side)
    return mask

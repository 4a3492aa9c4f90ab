"""Masks that mix two images: boxes (BCP section 3.2), slices and cubes (UniSeMi section 4.3, figure 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    size = images.shape[2:]
    mask = torch.ones(size, device=images.device)
    mask[_random_box(size, [int(side * length) for length in size])] = 0
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


def mix_boxes(
    images: Tensor, labels: Tensor, known: Tensor, share: float, smallest: float = 0.2, largest: float = 0.65
) -> tuple[Tensor, Tensor, Tensor]:
    """Paste a box of another image of the batch into a share of the images, its labels into theirs.

    CutMix (Yun et al., ICCV 2019) in random pairs, with a box of its own for each image.

    Args:
        images: Images (B, C_in, *spatial).
        labels: Class indices (B, *spatial).
        known: Mask (B, *spatial) of what is known of the labels.
        share: Probability with which an image gets a box.
        smallest: Smallest side of a box along each axis, as a share of the image.
        largest: Largest such side; it is drawn evenly in between.

    Returns:
        New images, labels and mask of the same shapes.

    Examples:
        >>> labels = torch.arange(4).view(4, 1, 1).repeat(1, 10, 10)
        >>> images, mixed, _ = mix_boxes(labels[:, None].float(), labels, torch.ones(4, 10, 10), share=1.0)
        >>> torch.equal(images[:, 0].long(), mixed)
        True
    """
    # Drawn on the CPU, so that no step waits for the device.
    partners = torch.randperm(len(images)).tolist()
    chosen = (torch.rand(len(images)) < share).nonzero()[:, 0].tolist()
    mixed = images.clone(), labels.clone(), known.clone()
    for image in chosen:
        sides = smallest + (largest - smallest) * torch.rand(images.dim() - 2)
        size = images.shape[2:]
        box = _random_box(size, [max(1, int(side * length)) for side, length in zip(sides.tolist(), size, strict=True)])
        for target, source in zip(mixed, (images, labels, known), strict=True):
            target[(image, ..., *box)] = source[(partners[image], ..., *box)]
    return mixed


def _random_box(size: Sequence[int], lengths: Sequence[int]) -> tuple[slice, ...]:
    # Drawn on the CPU, so that no step waits for the device.
    starts = [int(torch.randint(whole - part + 1, ())) for whole, part in zip(size, lengths, strict=True)]
    return tuple(slice(start, start + part) for start, part in zip(starts, lengths, strict=True))


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

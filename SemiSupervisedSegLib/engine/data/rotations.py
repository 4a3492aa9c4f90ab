"""Rotations and flips of whole batches on the device, as in the 2D and 3D papers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

# Share of the 2D samples that are rotated by a small angle instead of a multiple of 90 degrees.
_ROTATED_SHARE = 0.5
_LARGEST_ANGLE = math.radians(20.0)


def rotate_and_flip(images: Tensor, labels: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """Transform every sample of a batch at random, its labels as its image.

    Args:
        images: Images (B, C, *patch), 2D or 3D.
        labels: Class indices (B, *patch), or None.
        generator: Generator on the CPU, so that no choice waits for the device.

    Returns:
        New tensors of the same shapes and types.
    """
    return (
        rotate_and_flip_2d(images, labels, generator)
        if images.dim() == 4
        else rotate_and_flip_3d(images, labels, generator)
    )


def rotate_and_flip_2d(
    images: Tensor, labels: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Rotate each sample by k times 90 degrees and flip it with probability 0.5, else rotate it by up to 20 degrees.

    The rule of the 2D papers (Luo et al., SSL4MIS). The papers rotate images with nearest-neighbour interpolation; we
    use linear interpolation. Pixels from outside are filled with the sample's minimum and the class 0.

    Args:
        images: Images (B, C, rows, columns).
        labels: Class indices (B, rows, columns), or None.
        generator: Generator on the CPU.

    Returns:
        New tensors of the same shapes and types.
    """
    count = len(images)
    small = torch.rand(count, generator=generator) < _ROTATED_SHARE
    angles = (torch.rand(count, generator=generator) * 2 - 1) * _LARGEST_ANGLE
    tilted = small.nonzero()[:, 0].tolist()
    mirrored = (~small).nonzero()[:, 0].tolist()
    new_images, new_labels = _mirror(images, labels, mirrored, generator)
    if not tilted:
        return new_images, new_labels
    grid = _rotation_grid(angles[small], images)
    _put(new_images, tilted, _rotate_images(_take(images, tilted), grid))
    if labels is not None and new_labels is not None:
        _put(new_labels, tilted, _rotate_labels(_take(labels, tilted), grid))
    return new_images, new_labels


def rotate_and_flip_3d(
    images: Tensor, labels: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Rotate each sample by k times 90 degrees in the plane of rows and columns, then flip it along one of the two.

    The rule of the 3D papers (Yu et al., MICCAI 2019), always applied; with exactly one flip every sample is one of
    four mirror images. Patches that are not square in this plane rotate by 0 or 180 degrees.

    Args:
        images: Images (B, C, slices, rows, columns).
        labels: Class indices (B, slices, rows, columns), or None.
        generator: Generator on the CPU.

    Returns:
        New tensors of the same shapes and types.
    """
    return _mirror(images, labels, range(len(images)), generator)


def _mirror(
    images: Tensor, labels: Tensor | None, samples: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Rotate and flip some samples of a batch into new tensors, whose remaining samples are left unset."""
    square = images.shape[-1] == images.shape[-2]
    turns = torch.randint(4 if square else 2, (len(samples),), generator=generator).tolist()
    flips = torch.randint(-2, 0, (len(samples),), generator=generator).tolist()
    new_images = torch.empty_like(images)
    new_labels = None if labels is None else torch.empty_like(labels)
    # A copy of a view per sample: exact, and free of index tensors that would have to reach the device first.
    for sample, turn, flip in zip(samples, turns, flips, strict=True):
        quarter_turns = turn if square else 2 * turn
        new_images[sample] = _turn_and_flip(images[sample], quarter_turns, flip)
        if labels is not None and new_labels is not None:
            new_labels[sample] = _turn_and_flip(labels[sample], quarter_turns, flip)
    return new_images, new_labels


def _turn_and_flip(sample: Tensor, quarter_turns: int, flip: int) -> Tensor:
    return torch.rot90(sample, quarter_turns, dims=(-2, -1)).flip(flip)


def _put(batch: Tensor, chosen: list[int], values: Tensor) -> None:
    for sample, value in zip(chosen, values, strict=True):
        batch[sample] = value


def _take(batch: Tensor, chosen: list[int]) -> Tensor:
    return torch.stack([batch[sample] for sample in chosen])


def _rotation_grid(angles: Tensor, images: Tensor) -> Tensor:
    rows, columns = images.shape[-2:]
    cosine, sine = angles.cos(), angles.sin()
    zero = torch.zeros_like(cosine)
    # The grid's coordinates run from -1 to 1 along either side: sides of unequal length need unequal sines.
    theta = torch.stack([cosine, -sine * rows / columns, zero, sine * columns / rows, cosine, zero], dim=1)
    theta = theta.view(-1, 2, 3).to(images.device, non_blocking=True)
    return functional.affine_grid(theta, [len(angles), 1, rows, columns], align_corners=False)


def _rotate_images(images: Tensor, grid: Tensor) -> Tensor:
    lowest = images.amin(dim=(-2, -1), keepdim=True)
    return functional.grid_sample(images - lowest, grid, mode="bilinear", align_corners=False) + lowest


def _rotate_labels(labels: Tensor, grid: Tensor) -> Tensor:
    turned = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
    return turned[:, 0].round().to(labels.dtype)

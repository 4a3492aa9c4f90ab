"""Rotation, scaling, deformation and mirroring of whole batches, in one resampling of images and labels.

Ranges and probabilities of rotation and scaling are those of nnU-Net (Isensee et al., Nature Methods 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ...planning.plan import THICK_SLICES
from ..precision import full_precision
from ..tensors import append_axes

ROTATION_PROBABILITY, SCALING_PROBABILITY, DEFORMATION_PROBABILITY = 0.2, 0.2, 0.2
LARGEST_ANGLE = {2: math.pi, 3: math.radians(30)}
LARGEST_TILT = math.radians(30)
"""Largest angle, in slices as in volumes, where the orientation of the body is kept."""
LARGEST_ZOOM, LARGEST_ANISOTROPY = 1.4, 1.15
"""Zoom of all axes together, and of each axis beside it."""
DEFORMATION, LARGEST_DEFORMATION = 0.25, 0.4
"""Displacement of a knot as a share of the distance between knots: below 0.4 a cubic B-spline deformation folds neither
in 2D nor in 3D (Choi and Lee, Mathematical Geology 2000)."""
KNOT_INTERVALS = 5
"""Distances between knots along the longest side of a patch."""
MIRRORED_AXES = (-2, -1)
"""Rows and columns; a body seen upside down along its slices is not what any scanner shows."""


@full_precision
def spatial_augmentation(
    images: Tensor,
    labels: Tensor | None,
    generator: torch.Generator,
    *,
    spacing: Sequence[float | None] = (1.0, 1.0, 1.0),
    strength: float = 1.0,
    keep_orientation: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Rotate, scale, deform and mirror every sample of a batch at random, its labels as its image.

    Images are interpolated linearly. Labels take the nearest voxel, so that none appears that was not there, whatever
    it means. What comes from outside is the minimum of the sample and the class 0, as in patches that reach beyond an
    image. Where slices are thick, all transformations stay in their plane.

    Args:
        images: Images (B, C, *spatial), 2D or 3D.
        labels: Class indices (B, *spatial), or None.
        generator: Generator on the CPU.
        spacing: Size of a voxel along slices, rows and columns in mm; that of slices is not read in 2D.
        strength: Factor of the probabilities and ranges; with 0 samples are mirrored only.
        keep_orientation: Whether samples are not mirrored and tilted by `LARGEST_TILT` at most.

    Returns:
        New tensors of the same shapes and types.
    """
    channels = as_planes(images, spacing)
    size = channels.shape[2:]
    steps = [float(step or 1.0) for step in spacing[-len(size) :]]
    grid = sampling_grid(len(images), size, steps, generator, strength, images.device, keep_orientation)
    new_images = resample_images(channels, grid).view_as(images)
    if labels is None:
        return new_images, None
    return new_images, resample_labels(labels.reshape(len(labels), -1, *size), grid).view_as(labels)


def as_planes(images: Tensor, spacing: Sequence[float | None]) -> Tensor:
    """Return volumes with thick slices as images (B, C * slices, rows, columns), and everything else unchanged."""
    through, *in_plane = (step or 1.0 for step in spacing)
    if images.dim() == 5 and through >= THICK_SLICES * math.sqrt(math.prod(in_plane)):
        return images.flatten(1, 2)
    return images


def sampling_grid(
    count: int,
    size: Sequence[int],
    spacing: Sequence[float],
    generator: torch.Generator,
    strength: float,
    device: torch.device,
    keep_orientation: bool = False,
) -> Tensor:
    """Draw for each sample from where its voxels come, as `torch.nn.functional.grid_sample` takes it.

    Args:
        count: Number of samples B.
        size: Voxels of the images along each axis.
        spacing: Size of a voxel along each axis in mm.
        generator: Generator on the CPU.
        strength: Factor of the probabilities and ranges.
        device: Device of the grid.
        keep_orientation: Whether nothing is mirrored and tilted by `LARGEST_TILT` at most.

    Returns:
        Places (B, *spatial, D) from -1 to 1 along each axis, columns first.
    """
    extent = torch.tensor([side * step for side, step in zip(size, spacing, strict=True)], dtype=torch.float64)
    matrices = _matrices(count, extent.flip(0), generator, strength, keep_orientation)
    matrices = matrices.to(device, torch.float32, non_blocking=True)
    intervals = [max(1, round(KNOT_INTERVALS * side)) for side in (extent / extent.max()).tolist()]
    knots = _displaced_knots(count, intervals, generator, strength).to(device, torch.float32, non_blocking=True)
    # One component after the other, which is several times as fast as pairs or triples of them.
    grid = knots
    for side, number in zip(size, intervals, strict=True):
        # The axis in front is contracted and comes back as the last one, so that after all of them the order is kept.
        grid = torch.tensordot(grid, _spline_weights(side, number, device), dims=([2], [1]))
    for axis, side in enumerate(reversed(size)):
        centres = (torch.arange(side, device=device) * 2 + 1) / side - 1
        column = append_axes(matrices[:, :, axis], grid)
        grid = grid + column * centres.view(-1, *(1,) * axis)
    return grid.movedim(1, -1)


def resample_images(images: Tensor, grid: Tensor) -> Tensor:
    """Return images (B, C, *spatial) at the places (B, *spatial, D) of a grid, outside the minimum of each sample."""
    lowest = append_axes(images.flatten(1).amin(dim=1), images)
    return functional.grid_sample(images - lowest, grid, mode="bilinear", align_corners=False) + lowest


def resample_labels(labels: Tensor, grid: Tensor) -> Tensor:
    """Return the nearest of the labels (B, C, *spatial) at the places (B, *spatial, D) of a grid, outside 0."""
    moved = functional.grid_sample(labels.float(), grid, mode="nearest", align_corners=False)
    return moved.to(labels.dtype)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Return float64 numbers between -1 and 1 of a shape."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1


def chosen(generator: torch.Generator, count: int, probability: float) -> Tensor:
    """Return for each of some samples (B,) whether it is chosen, True or False."""
    return torch.rand(count, generator=generator, dtype=torch.float64) < probability


def _matrices(
    count: int, extent: Tensor, generator: torch.Generator, strength: float, keep_orientation: bool
) -> Tensor:
    """Return matrices (B, D, D) in the coordinates of a grid for patches of some extent (D,) in mm."""
    dimensions = len(extent)
    rotated, scaled = (chosen(generator, count, p * strength) for p in (ROTATION_PROBABILITY, SCALING_PROBABILITY))
    planes = torch.triu_indices(dimensions, dimensions, offset=1)
    largest = LARGEST_TILT if keep_orientation else LARGEST_ANGLE[dimensions]
    angles = uniform(generator, count, planes.shape[1]) * largest * min(strength, 1.0)
    skew = torch.zeros(count, dimensions, dimensions, dtype=torch.float64)
    skew[:, planes[0], planes[1]] = angles * rotated[:, None]
    zoom = uniform(generator, count, 1) * math.log(LARGEST_ZOOM)
    zoom = zoom + uniform(generator, count, dimensions) * math.log(LARGEST_ANISOTROPY)
    scales = (strength * zoom * scaled[:, None]).exp()
    mirrored = uniform(generator, count, dimensions).sign()
    # Columns come first.
    mirrored[:, 0 if keep_orientation else len(MIRRORED_AXES) :] = 1.0
    matrices = torch.matrix_exp(skew - skew.mT) * (scales * mirrored)[:, None]
    return matrices * extent / extent[:, None]


def _displaced_knots(count: int, intervals: Sequence[int], generator: torch.Generator, strength: float) -> Tensor:
    """Return displacements (B, D, *knots) in the coordinates of a grid."""
    deformed = chosen(generator, count, DEFORMATION_PROBABILITY * strength)
    dimensions = len(intervals)
    knots = uniform(generator, count, dimensions, *(number + 3 for number in intervals))
    largest = torch.rand(count, generator=generator, dtype=torch.float64) * DEFORMATION * strength
    largest = (largest.clamp(max=LARGEST_DEFORMATION) * deformed)[:, None]
    distances = 2 / torch.tensor(intervals, dtype=torch.float64).flip(0)
    scales = (largest * distances).view(count, dimensions, *(1,) * dimensions)
    return knots * scales


def _spline_weights(size: int, intervals: int, device: torch.device) -> Tensor:
    """Return the cubic B-spline weights (size, intervals + 3) of the knots at the centres of the voxels of an axis."""
    places = (torch.arange(size, device=device) + 0.5) * (intervals / size)
    distance = (places[:, None] + 1 - torch.arange(intervals + 3, device=device)).abs()
    return (2 - distance).clamp_min(0) ** 3 / 6 - 4 * (1 - distance).clamp_min(0) ** 3 / 6

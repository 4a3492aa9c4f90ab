"""Changes of noise, sharpness, brightness, contrast and gamma of whole batches.

Order, ranges and probabilities follow nnU-Net (Isensee et al., Nature Methods 2021). Images are normalised, so that one
standard deviation of their intensities is about 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..precision import full_precision
from ..tensors import append_axes
from .spatial_augmentation import as_planes, chosen, uniform

NOISE_PROBABILITY, LARGEST_NOISE = 0.1, 0.3
"""Largest standard deviation of the noise, in units of the normalised intensity."""
BLUR_PROBABILITY, SMALLEST_BLUR, LARGEST_BLUR = 0.2, 0.5, 1.0
"""Standard deviation of the Gaussian kernel in voxels."""
LOW_RESOLUTION_PROBABILITY, LARGEST_REDUCTION = 0.25, 2.0
BRIGHTNESS_PROBABILITY, LARGEST_SHIFT = 0.15, 0.25
"""In units of the normalised intensity."""
CONTRAST_PROBABILITY, LARGEST_CONTRAST = 0.15, 1.33
GAMMA_PROBABILITY, INVERTED_SHARE, LARGEST_GAMMA = 0.4, 0.25, 1.5
"""Inverted images change where they are bright instead of where they are dark."""
SMALLEST = 1e-6


@full_precision
def intensity_augmentation(
    images: Tensor,
    generator: torch.Generator,
    strength: float = 1.0,
    *,
    spacing: Sequence[float | None] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Change noise, sharpness, resolution, brightness, contrast and gamma of every sample of a batch at random.

    No voxel moves, so that the labels stay. Where slices are thick, sharpness changes in their plane only.

    Args:
        images: Normalised images (B, C, *spatial), 2D or 3D.
        generator: Generator on the CPU.
        strength: Factor of the probabilities and ranges; with 0 nothing changes.
        spacing: Size of a voxel along slices, rows and columns in mm; that of slices is not read in 2D.

    Returns:
        New images of the same shape.
    """
    changed = _add_noise(images.clone(memory_format=torch.contiguous_format), generator, strength)
    _reduce_resolution(as_planes(changed, spacing), generator, strength)
    changed = _brightness_and_contrast(changed, generator, strength)
    return _change_gamma(changed, generator, strength)


def _add_noise(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    samples = _samples(generator, len(images), NOISE_PROBABILITY * strength)
    deviations = torch.rand(len(images), generator=generator) * LARGEST_NOISE * strength
    # Numbers for whole images are drawn on their device, from a seed of the given generator.
    seed = int(torch.randint(2**62, (), generator=generator))
    on_device = torch.Generator(images.device).manual_seed(seed)
    for sample in samples:
        noise = torch.empty_like(images[sample]).normal_(generator=on_device)
        images[sample].add_(noise, alpha=float(deviations[sample]))
    return images


def _reduce_resolution(images: Tensor, generator: torch.Generator, strength: float) -> None:
    """Blur some images and show some at a lower resolution, in place; both are products with a matrix for each axis."""
    count = len(images)
    blurred, coarse = (chosen(generator, count, p * strength) for p in (BLUR_PROBABILITY, LOW_RESOLUTION_PROBABILITY))
    blurs = SMALLEST_BLUR + torch.rand(count, generator=generator) * (LARGEST_BLUR - SMALLEST_BLUR)
    reductions = 1 + torch.rand(count, generator=generator) * (LARGEST_REDUCTION - 1) * strength
    samples = (blurred | coarse).nonzero()[:, 0]
    if not len(samples):
        return
    blurs, reductions = (blurs * strength * blurred)[samples], reductions.where(coarse, 1.0)[samples]
    changed = torch.stack([images[sample] for sample in samples.tolist()])
    matrices = {
        size: (_low_resolution_matrices(size, reductions) @ _blur_matrices(size, blurs)).to(images.device)
        for size in set(images.shape[2:])
    }
    for size in images.shape[2:]:
        # The axis in front becomes the last one, so that after all of them the order is kept.
        changed = changed.movedim(2, -1)
        changed = (changed.flatten(1, -2) @ matrices[size].mT).view(changed.shape)
    for sample, image in zip(samples.tolist(), changed, strict=True):
        images[sample] = image


def _brightness_and_contrast(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Scale the difference of every image from its mean, and add a constant."""
    count = len(images)
    shifted, scaled = (chosen(generator, count, p * strength) for p in (BRIGHTNESS_PROBABILITY, CONTRAST_PROBABILITY))
    shifts = uniform(generator, count) * LARGEST_SHIFT * strength * shifted
    factors = (uniform(generator, count) * math.log(LARGEST_CONTRAST) * strength * scaled).exp()
    shift, factor = (_for_images(values, images) for values in (shifts, factors))
    means = append_axes(images.flatten(1).mean(dim=1), images)
    return images * factor + (means * (1 - factor) + shift)


def _change_gamma(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Raise some images, scaled to 0 to 1, to a power, in place; each keeps its mean and standard deviation."""
    count = len(images)
    samples = _samples(generator, count, GAMMA_PROBABILITY * strength)
    gammas = (uniform(generator, count) * math.log(LARGEST_GAMMA) * strength).exp()
    signs = 1.0 - 2.0 * chosen(generator, count, INVERTED_SHARE)
    for sample in samples:
        image = images[sample] * float(signs[sample])
        low, high = image.aminmax()
        power = ((image - low) / (high - low).clamp_min(SMALLEST)) ** float(gammas[sample])
        mean, centred = image.mean(), power - power.mean()
        centred *= torch.linalg.vector_norm(image - mean) / torch.linalg.vector_norm(centred).clamp_min(SMALLEST)
        images[sample] = (centred + mean) * float(signs[sample])
    return images


def _samples(generator: torch.Generator, count: int, probability: float) -> list[int]:
    return chosen(generator, count, probability).nonzero()[:, 0].tolist()


def _for_images(values: Tensor, images: Tensor) -> Tensor:
    """Return one number (B,) for each image (B, C, *spatial) so that it broadcasts, on its device and in its type."""
    return append_axes(values.to(images.device, images.dtype, non_blocking=True), images)


def _blur_matrices(size: int, deviations: Tensor) -> Tensor:
    """Return Gaussian kernels (B, size, size) of standard deviations (B,) in voxels; 0 is the identity."""
    places = torch.arange(size)
    kernels = torch.exp(-0.5 * (places / deviations.clamp_min(0.01)[:, None]) ** 2)
    return _with_rows_of_sum_one(kernels[:, (places[:, None] - places).abs()])


def _low_resolution_matrices(size: int, reductions: Tensor) -> Tensor:
    """Return linear sampling to a coarser grid and back (B, size, size), with as many times fewer voxels (B,)."""
    fine, factors = torch.arange(size), reductions[:, None, None]
    # The place of each voxel on the coarse grid, which ends before the fine one does.
    places = (fine[:, None] + 0.5) / factors - 0.5
    back = (1 - (places.clamp_min(0) - fine).abs()).clamp_min(0)
    back = back * (fine < (size / factors).ceil())
    return _with_rows_of_sum_one(back) @ _with_rows_of_sum_one(back.mT)


def _with_rows_of_sum_one(matrices: Tensor) -> Tensor:
    return matrices / matrices.sum(dim=-1, keepdim=True).clamp_min(SMALLEST)

"""Views of images: with other noise and contrast (FixMatch, Sohn et al., NeurIPS 2020, section 2.3), or enlarged parts.

The latter, and brightness and contrast alone, are those of Chaitanya et al., NeurIPS 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ...data.intensity_augmentation import intensity_augmentation
from ...tensors import append_axes

LARGEST_SHIFT, LARGEST_CONTRAST = 1.0, 0.3
"""As in the paper, where images lie between 0 and 1 and are shifted by 0.3 at most; here in standard deviations."""


def strong_view(images: Tensor, strength: float = 1.0) -> Tensor:
    """Return images (B, C, *spatial) with other noise, sharpness, brightness, contrast and gamma.

    Args:
        images: Normalised images (B, C, *spatial).
        strength: Factor of the probabilities and ranges of all changes; with 0 nothing changes.

    Examples:
        >>> images = torch.rand(2, 1, 16, 16)
        >>> torch.equal(strong_view(images, strength=0.0), images), torch.equal(strong_view(images, 2.5), images)
        (True, False)
    """
    generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    return intensity_augmentation(images, generator, strength)


def other_contrast(images: Tensor) -> Tensor:
    """Return images (B, C, *spatial) with other brightness and contrast each (Chaitanya, 2020).

    Args:
        images: Normalised images (B, C, *spatial).

    Examples:
        >>> images = torch.rand(2, 1, 16, 16)
        >>> (other_contrast(images) - images).std(dim=(1, 2, 3)) < 0.1
        tensor([True, True])
    """
    shift, contrast = (append_axes((torch.rand(len(images)) * 2 - 1).to(images), images) for _ in range(2))
    means = append_axes(images.flatten(1).mean(dim=1), images)
    return means + shift * LARGEST_SHIFT + (images - means) * (1 + contrast * LARGEST_CONTRAST)


def enlarged_parts(images: Tensor, share: float) -> Tensor:
    """Return a part of each image at the size of the image, cut out anywhere in the plane (Chaitanya, 2020).

    Args:
        images: Images (B, C, *spatial); slices of volumes stay where they are.
        share: Side of the part as a share of that of the image.

    Examples:
        >>> images = torch.arange(16.0).expand(1, 1, 16, 16)
        >>> part = enlarged_parts(images, share=0.5)
        >>> part.shape, round(float(part[0, 0, 0].diff().max()), 3)
        (torch.Size([1, 1, 16, 16]), 0.5)
    """
    count, planes = len(images), images.flatten(1, -3)
    offsets = ((torch.rand(count, 2) * 2 - 1) * (1 - share)).to(images)
    matrices = torch.cat([share * torch.eye(2).to(images).expand(count, 2, 2), offsets.unsqueeze(2)], dim=2)
    grid = functional.affine_grid(matrices, list(planes.shape), align_corners=False)
    parts = functional.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return parts.view_as(images)

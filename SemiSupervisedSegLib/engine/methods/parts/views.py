"""Strong views of images, whose voxels stay where they are (FixMatch, Sohn et al., NeurIPS 2020, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data.intensity_augmentation import intensity_augmentation


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

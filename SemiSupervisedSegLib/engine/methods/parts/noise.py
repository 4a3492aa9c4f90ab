"""Input noise of the mean-teacher family."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_noise(images: Tensor, std: float, clip: float) -> Tensor:
    """Return images plus clip(N(0, std^2), -clip, clip), drawn anew per voxel; images are normalised, unit-free."""
    return images + torch.randn_like(images).mul_(std).clamp_(-clip, clip)

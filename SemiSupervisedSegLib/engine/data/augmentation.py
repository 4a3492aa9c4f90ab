"""The augmentation that the setting of this name chooses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .intensity_augmentation import intensity_augmentation
from .rotations import rotate_and_flip
from .spatial_augmentation import spatial_augmentation


class Augmentation:
    """Transforms the batches of a training.

    Args:
        kind: Value of the setting "augmentation": "rotations" (as in the papers), "strong", "spatial" (the part of it
            that moves voxels) or "none".
        spacing: Size of a voxel along slices, rows and columns in mm.
        keep_orientation: Whether "strong" and "spatial" keep the orientation of the body.
    """

    def __init__(self, kind: str, spacing: Sequence[float | None], keep_orientation: bool = False) -> None:
        self._kind = kind
        self._spacing = spacing
        self._keep_orientation = keep_orientation

    def __call__(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Return images (B, C, *spatial) and labels (B, *spatial) or None, transformed at random.

        Args:
            images: Images (B, C, *spatial), 2D or 3D.
            labels: Class indices (B, *spatial), or None.
            generator: Generator on the CPU, so that no choice waits for the device.
        """
        if self._kind == "none":
            return images, labels
        if self._kind == "rotations":
            return rotate_and_flip(images, labels, generator)
        images, labels = spatial_augmentation(
            images, labels, generator, spacing=self._spacing, keep_orientation=self._keep_orientation
        )
        if self._kind == "spatial":
            return images, labels
        return intensity_augmentation(images, generator, spacing=self._spacing), labels

"""The images of one training step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Labeled:
    """Images with annotations.

    Attributes:
        images: Images (B, C_in, *spatial).
        labels: Class indices (B, *spatial).
        tasks: Place (B,) of each image's task in `MethodContext.tasks`; None where there is one task only. What is
            background in an image of one task is not known for the structures of the others.
        extents: Where the first and the last slice of each sample lie in their case, (B, 2) from 0 to 1 along the slice
            axis, the same twice for single slices; a patch that reaches beyond its case exceeds that range.
    """

    images: Tensor
    labels: Tensor
    tasks: Tensor | None = None
    extents: Tensor | None = None


@dataclass(frozen=True)
class Unlabeled:
    """Images without annotations.

    Attributes:
        images: Images (B, C_in, *spatial).
        tasks: As in `Labeled`, `planning.tasks.UNKNOWN_TASK` for images of which the study does not say it.
        extents: As in `Labeled`.
    """

    images: Tensor
    tasks: Tensor | None = None
    extents: Tensor | None = None


NO_IMAGES = Unlabeled(torch.empty(0))


@dataclass(frozen=True)
class Batch:
    """The images of the streams that a method uses; `NO_IMAGES` for the streams it does not use."""

    labeled: Labeled
    unlabeled: Unlabeled = NO_IMAGES
    external: Unlabeled = NO_IMAGES

"""Images pasted into each other."""

from __future__ import annotations

import torch
from torch import Tensor


def outside_a_box(images: Tensor, side: float) -> Tensor:
    """Return M (*spatial), 0 in a box at a random place and 1 outside of it (BCP section 3.2).

    Args:
        images: of the size of the mask, (B, C_in, *spatial).
        side: of the box along each axis, as a share of the image.
    """
    mask = torch.ones(images.shape[2:], device=images.device)
    box = []
    for size in images.shape[2:]:
        length = int(side * size)
        # Drawn on the CPU, so that no step waits for the device.
        start = int(torch.randint(size - length + 1, ()))
        box.append(slice(start, start + length))
    mask[tuple(box)] = 0
    return mask


def paste(around: Tensor, inside: Tensor, keep: Tensor) -> Tensor:
    """Return ``around`` where the mask ``keep`` (*spatial) is 1 and ``inside`` elsewhere; images or labels."""
    return torch.where(keep.bool(), around, inside)

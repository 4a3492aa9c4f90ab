"""Prototypes that are averaged over training steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses.prototypes import Prototypes


class PrototypeBank(nn.Module):
    """Moving average of class prototypes: c <- decay c + (1 - decay) c_now (CU2L section 2.3, decay 0.9).

    The first valid value initialises a class; a class absent from a batch keeps its value.
    """

    vectors: Tensor
    valid: Tensor

    def __init__(self, num_classes: int, channels: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("vectors", torch.zeros(num_classes, channels))
        self.register_buffer("valid", torch.zeros(num_classes, dtype=torch.bool))

    @torch.no_grad()
    def update(self, now: Prototypes) -> Prototypes:
        """Take in the prototypes of one batch and return the averaged ones, as constants."""
        # A step in float16 may overflow; its optimizer skips it, and so does the bank.
        fresh = now.valid & now.vectors.isfinite().all(dim=1)
        averaged = torch.where(self.valid.unsqueeze(1), torch.lerp(now.vectors, self.vectors, self.decay), now.vectors)
        self.vectors.copy_(torch.where(fresh.unsqueeze(1), averaged, self.vectors))
        self.valid.logical_or_(fresh)
        return Prototypes(self.vectors.clone(), self.valid.clone())

"""Dropout whose masks are cheap to draw on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 2**16


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al., JMLR 2014) that on a CPU spends 16 random bits on an element.

    There p is rounded to a multiple of 1/65536, and the kept elements are scaled by the rounded value, so that the mean
    stays exact. torch draws a float for each element, which takes several times as long.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return features (B, ...) of any further shape with random elements set to zero while training."""
        dropped = round(self.p * _LEVELS)
        if not self.training or dropped == 0:
            return features
        if features.device.type != "cpu" or dropped == _LEVELS:
            return functional.dropout(features, self.p, training=True)
        keep = _random_int16(features) >= dropped - _LEVELS // 2
        return features * keep.to(features.dtype).mul_(_LEVELS / (_LEVELS - dropped))


def _random_int16(like: Tensor) -> Tensor:
    """Return uniform random numbers of all 16 bits, of the shape and strides of a tensor."""
    numbers = torch.empty_like(like, dtype=torch.int16)
    # A draw of 64 bits takes as long as one of 16.
    drawn = torch.empty(-(-numbers.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return drawn.view(torch.int16)[: numbers.numel()].as_strided(numbers.shape, numbers.stride())

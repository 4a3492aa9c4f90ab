"""What tensors of images of two and three dimensions share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def append_axes(values: Tensor, like: Tensor) -> Tensor:
    """Return values with axes of length 1 at the end, as many as another tensor has, so that the two broadcast.

    Args:
        values: Values (B, ...) of the first axes of the other tensor.
        like: Tensor of more axes, such as images (B, C, *spatial).

    Examples:
        >>> weights, images = torch.tensor([1.0, 2.0]), torch.ones(2, 1, 4, 4)
        >>> append_axes(weights, images).shape
        torch.Size([2, 1, 1, 1])
    """
    return values.view(*values.shape, *(1,) * (like.dim() - values.dim()))


def promote(value: Any) -> Any:
    """Return a tensor of half precision as float32, and everything else unchanged (Micikevicius et al., ICLR 2018).

    Args:
        value: Tensor of any shape, or anything else.

    Examples:
        >>> promote(torch.ones(2, dtype=torch.bfloat16)).dtype, promote(torch.ones(2, dtype=torch.float64)).dtype
        (torch.float32, torch.float64)
    """
    if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()
    return value

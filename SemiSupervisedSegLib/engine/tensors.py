"""What tensors of images of two and three dimensions share."""

from __future__ import annotations

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

"""Mixtures of two images (mixup, Zhang et al., ICLR 2018) and of their predictions (ICT, Verma et al., IJCAI 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...tensors import append_axes


def mixing_shares(count: int, alpha: float) -> Tensor:
    """Draw the shares (count,) of the first images in mixtures from Beta(alpha, alpha) (ICT, section 2).

    Args:
        count: Number of mixtures.
        alpha: Shape of the distribution: with less than 1 one image of a mixture prevails, above 1 both have equal
            shares rather.

    Examples:
        >>> shares = mixing_shares(1000, alpha=0.2)
        >>> shares.shape, ((shares > 0.1) & (shares < 0.9)).float().mean() < 0.5
        (torch.Size([1000]), tensor(True))
    """
    # Drawn on the CPU, so that no step waits for the device.
    return torch.distributions.Beta(alpha, alpha).sample((count,))


def mix(first: Tensor, second: Tensor, shares: Tensor) -> Tensor:
    """Return Mix_b(x, y) = b x + (1 - b) y for every pair of samples (ICT, equation 1).

    Args:
        first: Images, labels or predictions x (B, ...).
        second: Those of the partners y (B, ...).
        shares: Shares b (B,).

    Examples:
        >>> mix(torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [1.0]]), shares=torch.tensor([0.25, 1.0]))
        tensor([[0.7500],
                [0.0000]])
    """
    shares = append_axes(shares.to(first.device, first.dtype, non_blocking=True), first)
    return shares * first + (1 - shares) * second

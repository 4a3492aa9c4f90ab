"""Feature maps that are disturbed while training, so that predictions from them differ (Ouali et al., CVPR 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NOISE_RANGE = 0.3
ATTENTION_RANGE = (0.7, 0.9)
"""Bounds of the uniform noise and of the share of the highest attention, as published."""


class FeatureNoise(nn.Module):
    """Multiplies maps by 1 + n with n uniform in [-0.3, 0.3], the same for all images of a batch.

    Examples:
        >>> noise = FeatureNoise()
        >>> maps = noise(torch.ones(2, 3, 4, 4))
        >>> bool((maps - 1).abs().max() <= 0.3), torch.equal(maps[0], maps[1])
        (True, True)
        >>> torch.equal(noise.eval()(torch.ones(2, 3, 4, 4)), torch.ones(2, 3, 4, 4))
        True
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, L, *spatial), while training with noise."""
        if not self.training:
            return maps
        return maps * (1 + torch.empty_like(maps[:1]).uniform_(-NOISE_RANGE, NOISE_RANGE))


class FeatureDropout(nn.Module):
    """Sets the places of highest attention to zero: those whose channel mean reaches 70 to 90 % of the image's maximum.

    The share is drawn once for a batch.

    Examples:
        >>> FeatureDropout()(torch.tensor([[[[1.0, 2.0, 10.0, 9.5]]]]))
        tensor([[[[1., 2., 0., 0.]]]])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, L, *spatial), while training without the places of highest attention."""
        if not self.training:
            return maps
        attention = maps.detach().mean(dim=1, keepdim=True)
        share = torch.empty((), dtype=maps.dtype, device=maps.device).uniform_(*ATTENTION_RANGE)
        highest = attention.amax(dim=tuple(range(1, maps.dim())), keepdim=True)
        return maps * (attention < share * highest)

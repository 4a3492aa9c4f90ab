"""Features of each class that are kept from step to step."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FeatureMemory(nn.Module):
    """The features of the latest batch that represent a class best (SS-Net section 2.2).

    A class that a batch does not contain keeps its features.

    Args:
        num_classes: background included.
        size: features kept of a class.
        channels: of a feature.
    """

    features: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(num_classes, size, channels))
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.long))

    @torch.no_grad()
    def keep(self, label: int, features: Tensor, scores: Tensor, *, highest: bool) -> None:
        """Replace the features of a class by those (N, channels) with the highest or lowest of the scores (N,)."""
        count = min(len(features), self.features.shape[1])
        if count == 0:
            return
        chosen = scores.topk(count, largest=highest).indices
        self.features[label, :count] = features[chosen]
        self.counts[label] = count

    def of(self, label: int) -> Tensor:
        """Return the features (N, channels) of a class as constants; N is 0 before the first."""
        return self.features[label, : int(self.counts[label])].clone()

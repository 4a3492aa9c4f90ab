"""Gaussian class prototypes that gather over training steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses.gaussian_prototypes import GaussianClasses, class_statistics, merge


class GaussianBank(nn.Module):
    """Mean and covariance of the features of each class over all batches it has seen (AUA equation 13)."""

    means: Tensor
    covariances: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("means", torch.zeros(num_classes, channels))
        self.register_buffer("covariances", torch.zeros(num_classes, channels, channels))
        self.register_buffer("counts", torch.zeros(num_classes))

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> GaussianClasses:
        """Take in the features (B, L, *spatial) of labels (B, *spatial) and return the Gaussians, as constants."""
        old = self.classes()
        now = merge(old, class_statistics(features, labels, self.num_classes))
        # A step in float16 may overflow; its optimizer skips it, and so does the bank.
        finite = torch.stack([part.isfinite().all() for part in now]).all()
        for kept, before, after in zip((self.means, self.covariances, self.counts), old, now, strict=True):
            kept.copy_(torch.where(finite, after, before))
        return self.classes()

    def classes(self) -> GaussianClasses:
        """Return the Gaussians as they are now."""
        return GaussianClasses(self.means.clone(), self.covariances.clone(), self.counts.clone())

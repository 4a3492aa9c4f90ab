"""What is remembered of each class from step to step: prototypes, Gaussians and features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses.gaussian_prototypes import GaussianClasses, class_statistics, merge
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

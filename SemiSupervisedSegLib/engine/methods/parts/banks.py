"""What is remembered of each class from step to step.

Prototypes (CU2L section 2.3), Gaussians (AUA equation 13) and features (SS-Net section 2.2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses.gaussian_prototypes import GaussianClasses, class_statistics, merge
from ...losses.prototypes import Prototypes


class PrototypeBank(nn.Module):
    """Moving average of class prototypes: c <- decay c + (1 - decay) c_now (CU2L section 2.3, decay 0.9).

    The first valid value initialises a class; a class absent from a batch keeps its value.

    Args:
        num_classes: Number of classes, background included.
        channels: Length L of a prototype.
        decay: Share of the old value.

    Examples:
        >>> bank, present = PrototypeBank(num_classes=1, channels=2, decay=0.9), torch.tensor([True])
        >>> _ = bank.update(Prototypes(torch.tensor([[0.0, 1.0]]), present))
        >>> bank.update(Prototypes(torch.tensor([[1.0, 1.0]]), present)).vectors
        tensor([[0.1000, 1.0000]])
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
        """Take in the prototypes (C, L) of one batch and return the averaged ones, as constants."""
        # A step in float16 may overflow; its optimizer skips it, and so does the bank.
        fresh = now.valid & now.vectors.isfinite().all(dim=1)
        averaged = torch.where(self.valid.unsqueeze(1), torch.lerp(now.vectors, self.vectors, self.decay), now.vectors)
        self.vectors.copy_(torch.where(fresh.unsqueeze(1), averaged, self.vectors))
        self.valid.logical_or_(fresh)
        return Prototypes(self.vectors.clone(), self.valid.clone())


class GaussianBank(nn.Module):
    """Mean and covariance of the features of each class over all batches it has seen (AUA equation 13).

    Args:
        num_classes: Number of classes, background included.
        channels: Length L of a feature.

    Examples:
        >>> bank, labels = GaussianBank(num_classes=1, channels=1), torch.zeros(1, 2, dtype=torch.long)
        >>> _ = bank.update(torch.tensor([[[0.0, 0.0]]]), labels)
        >>> classes = bank.update(torch.tensor([[[4.0, 4.0]]]), labels)
        >>> classes.means, classes.covariances, classes.counts
        (tensor([[2.]]), tensor([[[4.]]]), tensor([4.]))
    """

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
        for buffer, before, after in zip((self.means, self.covariances, self.counts), old, now, strict=True):
            buffer.copy_(torch.where(finite, after, before))
        return self.classes()

    def classes(self) -> GaussianClasses:
        """Return the Gaussians as they are now."""
        return GaussianClasses(self.means.clone(), self.covariances.clone(), self.counts.clone())


class FeatureMemory(nn.Module):
    """The features of the latest batch that represent a class best (SS-Net section 2.2).

    A class that a batch does not contain keeps its features.

    Args:
        num_classes: Number of classes, background included.
        size: Largest number of features of a class.
        channels: Length of a feature.

    Examples:
        >>> memory = FeatureMemory(num_classes=2, size=2, channels=1)
        >>> memory.keep(1, torch.tensor([[5.0], [6.0], [7.0]]), scores=torch.tensor([0.1, 0.9, 0.5]), highest=True)
        >>> memory.of(1).flatten(), len(memory.of(0))
        (tensor([6., 7.]), 0)
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


class FeatureRing(nn.Module):
    """Features of each class from the latest batches that had it, from which samples are drawn.

    Args:
        num_classes: Number of classes, background included.
        size: Largest number of features of a class from one batch, and in a sample.
        channels: Length of a feature.
        batches: Number of batches that are remembered.

    Examples:
        >>> ring = FeatureRing(num_classes=2, size=2, channels=1, batches=2)
        >>> for value in (5.0, 6.0, 7.0):
        ...     ring.remember(1, torch.full((3, 1), value))
        >>> ring.stored(1).flatten(), len(ring.sample())
        (tensor([7., 7., 6., 6.]), 2)
    """

    features: Tensor
    counts: Tensor
    turns: Tensor

    def __init__(self, num_classes: int, size: int, channels: int, batches: int) -> None:
        super().__init__()
        self.size, self.batches = size, batches
        self.register_buffer("features", torch.zeros(num_classes, batches * size, channels))
        self.register_buffer("counts", torch.zeros(num_classes, batches, dtype=torch.long))
        self.register_buffer("turns", torch.zeros(num_classes, dtype=torch.long))

    @torch.no_grad()
    def remember(self, label: int, features: Tensor) -> None:
        """Store features (N, channels) of a class that one batch has, up to ``size``."""
        count = min(len(features), self.size)
        # A step in float16 may overflow; its optimizer skips it, and so does the ring.
        if count == 0 or not features.isfinite().all():
            return
        turn = int(self.turns[label]) % self.batches
        self.features[label, turn * self.size : turn * self.size + count] = features[:count]
        self.counts[label, turn] = count
        self.turns[label] += 1

    def stored(self, label: int) -> Tensor:
        """Return all features (N, channels) of a class as constants."""
        batches = self.features[label].split(self.size)
        return torch.cat([each[:count] for each, count in zip(batches, self.counts[label].tolist(), strict=True)])

    def sample(self) -> Tensor:
        """Draw up to ``size`` features of each class, (N, channels)."""
        drawn = []
        for label in range(len(self.features)):
            stored = self.stored(label)
            drawn.append(stored[torch.randperm(len(stored), device=stored.device)[: self.size]])
        return torch.cat(drawn)

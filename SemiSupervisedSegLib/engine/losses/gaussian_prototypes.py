"""Classes as Gaussians in feature space: their statistics, and the contrast of voxels with them (AUA)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ..precision import full_precision
from .overlap import one_hot
from .prototypes import ABSENT_LOGIT

CHUNK = 2**17
"""Voxels whose distances to all classes are in memory at once."""


class GaussianClasses(NamedTuple):
    """One Gaussian per class.

    Attributes:
        means: Means mu (C, L).
        covariances: Covariances Sigma (C, L, L), divided by the number of voxels.
        counts: Numbers of voxels (C,), float; 0 for a class that was never seen.
    """

    means: Tensor
    covariances: Tensor
    counts: Tensor

    def on_the_sphere(self) -> GaussianClasses:
        """Return unit means and diagonal covariances whose diagonal is a unit vector (AUA's released code)."""
        variances = self.covariances.diagonal(dim1=1, dim2=2)
        covariances = functional.normalize(variances, dim=1).diag_embed()
        return GaussianClasses(functional.normalize(self.means, dim=1), covariances, self.counts)


@full_precision
def class_statistics(features: Tensor, labels: Tensor, num_classes: int) -> GaussianClasses:
    """Return mean and covariance of the features of each class (AUA equation 13).

    Args:
        features: Feature maps (B, L, *spatial).
        labels: Class indices (B, *spatial).
        num_classes: Number of classes, background included.

    Examples:
        >>> statistics = class_statistics(torch.tensor([[[1.0, 3.0, 7.0]]]), torch.tensor([[0, 0, 1]]), num_classes=2)
        >>> statistics.means.flatten(), statistics.covariances.flatten(), statistics.counts
        (tensor([2., 7.]), tensor([1., 0.]), tensor([2., 1.]))
    """
    points, members = _points(features), one_hot(labels.reshape(1, -1), num_classes).squeeze(0)
    counts = members.sum(dim=1)
    divisors = counts.clamp(min=1)
    means = members @ points / divisors.unsqueeze(1)
    centered = points - means[labels.flatten()]
    covariances = [(centered * member.unsqueeze(1)).mT @ centered for member in members]
    return GaussianClasses(means, torch.stack(covariances) / divisors.view(-1, 1, 1), counts)


@full_precision
def merge(old: GaussianClasses, new: GaussianClasses) -> GaussianClasses:
    """Return the statistics of the voxels of two sets together, exactly (AUA equation 13).

    With w = n / (n + N): mu = (1 - w) mu_o + w mu_n,
    Sigma = (1 - w) Sigma_o + w Sigma_n + w (1 - w) (mu_o - mu_n)(mu_o - mu_n)^T.

    Args:
        old: Gaussians mu_o (C, L), Sigma_o (C, L, L) of N voxels.
        new: Gaussians mu_n (C, L), Sigma_n (C, L, L) of n voxels.

    Examples:
        >>> labels = torch.zeros(1, 2, dtype=torch.long)
        >>> old, new = (class_statistics(torch.full((1, 1, 2), value), labels, num_classes=1) for value in (0.0, 4.0))
        >>> merged = merge(old, new)
        >>> merged.means, merged.covariances, merged.counts
        (tensor([[2.]]), tensor([[[4.]]]), tensor([4.]))
    """
    counts = old.counts + new.counts
    share = new.counts / counts.clamp(min=1)
    apart = old.means - new.means
    weight = share.view(-1, 1, 1)
    between = weight * (1 - weight) * apart.unsqueeze(2) * apart.unsqueeze(1)
    covariances = torch.lerp(old.covariances, new.covariances, weight) + between
    return GaussianClasses(torch.lerp(old.means, new.means, share.unsqueeze(1)), covariances, counts)


@full_precision
def prototype_contrast(
    features: Tensor,
    labels: Tensor,
    classes: GaussianClasses,
    temperature: float,
    *,
    unit_features: bool = False,
    background_anchors: bool = True,
) -> Tensor:
    """Pull features to the Gaussian of their class and away from those of other classes (AUA equation 12).

    The closed-form bound of a contrastive loss with infinitely many samples of each class: with
    logits_c = (f mu_c + f^T Sigma_c f / (2 tau)) / tau it is the mean over voxels of
    CE(logits, y) + f^T Sigma_y f / (2 tau^2). A class that was never seen is no answer, and its voxels do not count;
    with fewer than two classes, or no voxel that counts, the loss is 0. Equation 12 as printed lacks the factor
    1 / (2 tau^2) of the last term, which its derivation gives.

    Args:
        features: Feature maps f (B, L, *spatial).
        labels: Class indices y (B, *spatial).
        classes: Gaussians mu (C, L) and Sigma (C, L, L), constant.
        temperature: Temperature tau, 100 in the paper.
        unit_features: Whether f is brought to unit length first, as the released code does.
        background_anchors: Whether voxels of the background count, which they do not in the released code.

    Examples:
        >>> features, labels = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[0, 1]])
        >>> classes = GaussianClasses(torch.eye(2), torch.zeros(2, 2, 2), torch.ones(2))
        >>> prototype_contrast(features, labels, classes, temperature=1.0)
        tensor(0.3133)
        >>> prototype_contrast(features, labels.flip(1), classes, temperature=1.0)
        tensor(1.3133)
    """
    present = classes.counts > 0
    anchoring = present.clone()
    anchoring[0] &= background_anchors

    def of_chunk(points: Tensor, labels: Tensor) -> Tensor:
        points = functional.normalize(points, dim=1) if unit_features else points
        spreads = torch.stack([(points @ matrix * points).sum(dim=1) for matrix in classes.covariances], dim=1)
        spreads = spreads / (2 * temperature**2)
        logits = (points @ classes.means.mT / temperature + spreads).masked_fill(~present, ABSENT_LOGIT)
        own_spread = spreads.gather(1, labels.unsqueeze(1)).squeeze(1)
        losses = functional.cross_entropy(logits, labels, reduction="none") + own_spread
        return torch.where(anchoring[labels], losses, 0.0).sum()

    flat = labels.flatten()
    chunks = zip(_points(features).split(CHUNK), flat.split(CHUNK), strict=True)
    sums = [checkpoint(of_chunk, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks]
    return (present.sum() >= 2) * torch.stack(sums).sum() / anchoring[flat].sum().clamp(min=1)


def _points(features: Tensor) -> Tensor:
    """Return features (B, L, *spatial) as rows (B V, L), the voxels in the order of flattened labels."""
    return features.movedim(1, -1).flatten(0, -2)

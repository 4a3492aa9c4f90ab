"""Supervised contrast of feature vectors (Khosla et al., NeurIPS 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ..precision import full_precision
from .overlap import one_hot

CHUNK = 1024
"""Anchors whose similarities to all vectors are in memory at once."""
EXCLUDED = -1e4
"""Similarity of a pair that does not count: its share in the softmax is 0 in float32."""


@full_precision
def supervised_contrast(
    vectors: Tensor, labels: Tensor, counted: Tensor, num_classes: int, temperature: float
) -> Tensor:
    """Pull vectors of one class together and those of different classes apart, within each image (AUA equation 10).

    -mean_i 1/|P(i)| sum_{j in P(i)} [a_i a_j / tau - log sum_{k != i} exp(a_i a_k / tau)] with unit vectors a and
    P(i) the other vectors of the class of i; then the mean over the images that have anchors. A vector that is alone in
    its class is no anchor. The matrix of similarities is never in memory as a whole.
    The released code of AUA selects vectors from channel-first maps, which mixes channels and voxels; here a vector has
    the features of one voxel.

    Args:
        vectors: Feature vectors (B, k, L) of any length.
        labels: Class indices (B, k).
        counted: Vectors that take part, bool (B, k).
        num_classes: Number of classes, background included.
        temperature: Temperature tau, 0.07 in the paper.

    Examples:
        >>> vectors, counted = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]]), torch.ones(1, 4).bool()
        >>> supervised_contrast(vectors, torch.tensor([[0, 0, 1, 1]]), counted, num_classes=2, temperature=0.5)
        tensor(0.2395)
        >>> supervised_contrast(vectors, torch.tensor([[0, 1, 0, 1]]), counted, num_classes=2, temperature=0.5)
        tensor(2.2395)
    """
    units = functional.normalize(vectors, dim=2)
    members = (one_hot(labels, num_classes) * counted.unsqueeze(1)).to(units.dtype)
    positives = members.sum(dim=2).gather(1, labels) - 1
    sums = (members @ units).gather(1, labels.unsqueeze(2).expand_as(units))
    pull = (units * sums).sum(dim=2) - (units * units).sum(dim=2)
    push = _log_sum_of_others(units, counted, temperature)
    anchors = counted & (positives > 0)
    losses = torch.where(anchors, push - pull / (temperature * positives.clamp(min=1)), 0.0)
    number = anchors.sum(dim=1)
    return (losses.sum(dim=1) / number.clamp(min=1)).sum() / (number > 0).sum().clamp(min=1)


def _log_sum_of_others(units: Tensor, counted: Tensor, temperature: float) -> Tensor:
    """Return log sum_{k != i} exp(a_i a_k / tau) over the counted k, (B, k)."""
    scaled = units / temperature
    uncounted = torch.where(counted, 0.0, EXCLUDED).to(units.dtype).unsqueeze(1)

    def of_rows(rows: Tensor, columns: Tensor, start: int) -> Tensor:
        similarities = torch.baddbmm(uncounted, rows, columns.mT)
        similarities.diagonal(start, dim1=1, dim2=2).fill_(EXCLUDED)
        return similarities.logsumexp(dim=2)

    def of_chunk(start: int) -> Tensor:
        rows = scaled[:, start : start + CHUNK]
        return checkpoint(of_rows, rows, units, start, use_reentrant=False, preserve_rng_state=False)

    return torch.cat([of_chunk(start) for start in range(0, units.shape[1], CHUNK)], dim=1)

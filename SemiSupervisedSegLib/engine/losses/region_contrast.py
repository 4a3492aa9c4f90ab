"""Contrast between chosen pairs: slices of the same part of the body, regions at the same place (Chaitanya, 2020).

K. Chaitanya et al., NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision

EXCLUDED = -1e4
"""Similarity of a pair that is none: its share in the sum is 0 in float32."""
Pairs = tuple[Tensor, Tensor]
"""Which of N vectors (N, N) shall be alike, and which shall not, seen from the vector of each row."""


@full_precision
def pair_contrast(vectors: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Return the mean over positive pairs of -log(e^{s_ij} / (e^{s_ij} + sum_k e^{s_ik})) (Chaitanya, equations 1, 3).

    s_ij is the cosine of the vectors i and j over tau, and k runs over the negatives of i. Other positives of i are not
    in the sum. Without negatives a pair costs nothing.

    Args:
        vectors: Vectors (..., N, L) of any length, compared within each group of N.
        positives: Pairs (i, j), bool (N, N).
        negatives: Pairs (i, k), bool (N, N).
        temperature: Temperature tau.

    Examples:
        >>> vectors, same = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
        >>> pair_contrast(vectors, *partition_pairs(same), temperature=0.5)
        tensor(0.1269)
    """
    units = functional.normalize(vectors, dim=-1)
    similarities = units @ units.mT / temperature
    others = torch.where(negatives, similarities, EXCLUDED).logsumexp(dim=-1, keepdim=True)
    losses = functional.softplus(others - similarities) * positives
    groups = math.prod(vectors.shape[:-2])
    return losses.sum() / (groups * positives.sum()).clamp(min=1)


def partition_pairs(partitions: Tensor) -> Pairs:
    """Return the pairs of the global loss: positive within a partition, negative between two (Chaitanya, G^D).

    Args:
        partitions: Partition (N,) of each vector.

    Examples:
        >>> positives, negatives = partition_pairs(torch.tensor([0, 0, 1]))
        >>> positives.int()
        tensor([[0, 1, 0],
                [1, 0, 0],
                [0, 0, 0]], dtype=torch.int32)
    """
    same = partitions.unsqueeze(1) == partitions
    return same & ~torch.eye(len(partitions), dtype=torch.bool, device=partitions.device), ~same


def region_pairs(places: Sequence[Sequence[float]], neighbours: int) -> Pairs:
    """Return the pairs of the local loss among the regions of two views of an image (Chaitanya, L^R).

    Positive is the same place in the other view; negative are the places next to it, in both views.

    Args:
        places: Places of the A regions, of any number of coordinates; the vectors are those of the first view and
            then those of the second one.
        neighbours: Number of places that are negative; of equally near ones the first count.

    Examples:
        >>> positives, negatives = region_pairs([(0.0,), (1.0,), (3.0,)], neighbours=1)
        >>> positives[0].int(), negatives[0].int()
        (tensor([0, 0, 0, 1, 0, 0], dtype=torch.int32), tensor([0, 1, 0, 0, 1, 0], dtype=torch.int32))
    """
    near = torch.zeros(len(places), len(places), dtype=torch.bool)
    for place, row in zip(places, near, strict=True):
        # The nearest one is the place itself.
        order = sorted(range(len(places)), key=lambda other: math.dist(place, places[other]))
        row[order[1 : neighbours + 1]] = True
    same = torch.eye(len(places), dtype=torch.bool)
    return torch.kron(torch.tensor([[0, 1], [1, 0]]), same.int()).bool(), near.repeat(2, 2)

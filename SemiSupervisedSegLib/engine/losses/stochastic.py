"""Losses on samples of a Gaussian over logits: likelihood of the labels and distance of two such distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision
from .overlap import EPSILON_SQUARED


@full_precision
def antithetic_samples(mean: Tensor, deviation: Tensor, factor: Tensor, pairs: int) -> Tensor:
    """Draw logits (B, 2 pairs, C, *spatial) from N(mu, P P^T + D) (AUA section III-B).

    mu + P e_1 + sqrt(D) e_2, and 2 mu minus these. e_1 in R^r is one draw for all voxels of an image, which makes
    samples coherent in space; e_2 is one for each voxel and class. Explicit, for the library's low-rank Gaussian
    factorises a matrix that is singular in float32 at this size.

    Args:
        mean: Mean mu (B, C, *spatial).
        deviation: Square root of D, (B, C, *spatial).
        factor: Factor P (B, r, C, *spatial).
        pairs: Half the number of samples.

    Examples:
        >>> mean, deviation, factor = torch.ones(1, 2, 4, 4), torch.ones(1, 2, 4, 4), torch.ones(1, 3, 2, 4, 4)
        >>> samples = antithetic_samples(mean, deviation, factor, pairs=2)
        >>> samples.shape, torch.allclose(samples.mean(dim=1), mean, atol=1e-5)
        (torch.Size([1, 4, 2, 4, 4]), True)
    """
    shared = torch.randn(len(mean), pairs, factor.shape[1], dtype=factor.dtype, device=mean.device)
    coherent = (shared @ factor.flatten(2)).unflatten(2, mean.shape[1:])
    offsets = torch.addcmul(coherent, deviation.unsqueeze(1), torch.randn_like(coherent))
    center = mean.unsqueeze(1)
    return torch.cat([center + offsets, center - offsets], dim=1)


@full_precision
def marginal_cross_entropy(samples: Tensor, labels: Tensor) -> Tensor:
    """Return the negative log-likelihood of the labels, marginal over samples, per voxel (AUA equations 3 and 4).

    -1 / V mean_b [logsumexp_s sum_v log softmax(eta_s)_y(v) - log S]: the voxels of a sample are judged together.

    Args:
        samples: Logits eta (B, S, C, *spatial).
        labels: Class indices (B, *spatial).

    Examples:
        >>> samples, labels = torch.zeros(1, 3, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)
        >>> marginal_cross_entropy(samples, labels)
        tensor(0.6931)
    """
    count = samples.shape[1]
    repeated = labels.unsqueeze(1).expand(-1, count, *labels.shape[1:]).flatten(0, 1)
    losses = functional.cross_entropy(samples.flatten(0, 1), repeated, reduction="none")
    log_likelihoods = -losses.flatten(1).sum(dim=1).unflatten(0, (-1, count))
    return (math.log(count) - log_likelihoods.logsumexp(dim=1)).mean() / labels[0].numel()


@full_precision
def energy_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalized energy distance of two sets of samples per image, mean over images (AUA equations 6 to 8).

    2 E d(s, t) - E d(s, s') - E d(t, t') over all pairs, i = j included, with d = 1 - soft Dice of squared denominator,
    mean over classes. All pairs come from one Gram matrix per class. It is the square of a maximum mean discrepancy:
    never negative, and 0 for the same samples.

    Args:
        first: Probabilities s (B, S, K, *spatial) of the K classes that count.
        second: Probabilities t (B, T, K, *spatial).

    Examples:
        >>> first, second = torch.zeros(1, 2, 1, 4, 4), torch.ones(1, 3, 1, 4, 4)
        >>> energy_distance(first, second), energy_distance(second, second[:, :1])
        (tensor(2.0000), tensor(0.))
    """
    count = first.shape[1]
    maps = torch.cat([first, second], dim=1).flatten(3).transpose(1, 2)
    products = maps @ maps.mT
    squares = products.diagonal(dim1=2, dim2=3)
    totals = squares.unsqueeze(2) + squares.unsqueeze(3)
    similar = (2 * products + EPSILON_SQUARED) / (totals + EPSILON_SQUARED)
    within = similar[:, :, :count, :count].mean(dim=(2, 3)) + similar[:, :, count:, count:].mean(dim=(2, 3))
    between = similar[:, :, :count, count:].mean(dim=(2, 3))
    return (within - 2 * between).mean()

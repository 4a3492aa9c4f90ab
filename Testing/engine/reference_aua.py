"""The losses of AUA, written out in float64 with numpy and plain loops; nothing here uses the engine."""

from __future__ import annotations

import math

import numpy as np

from .reference import softmax


def marginal_likelihood(samples, labels):
    """Negative log of the mean likelihood of the labels over samples (B, S, C, *spatial), per voxel."""
    losses = []
    for drawn, truth in zip(samples, labels, strict=True):
        likelihoods = [np.log(np.take_along_axis(softmax(logits, 0), truth[None], 0)).sum() for logits in drawn]
        largest = max(likelihoods)
        total = largest + math.log(sum(math.exp(value - largest) for value in likelihoods))
        losses.append(-(total - math.log(len(likelihoods))) / truth.size)
    return np.mean(losses)


def energy(first, second):
    """Generalized energy distance of probabilities (B, S, K, *spatial), one soft Dice for every pair and class."""

    def distance(p, q):
        classes = [
            1 - (2 * (p[c] * q[c]).sum() + 1e-5) / ((p[c] ** 2).sum() + (q[c] ** 2).sum() + 1e-5) for c in range(len(p))
        ]
        return np.mean(classes)

    def mean(ps, qs):
        return np.mean([[distance(p, q) for q in qs] for p in ps])

    return np.mean([2 * mean(s, t) - mean(s, s) - mean(t, t) for s, t in zip(first, second, strict=True)])


def pair_contrast(vectors, labels, counted, temperature):
    """Supervised contrast of counted vectors (B, k, L), one logarithm for every pair."""
    images = []
    for points, classes, members in zip(vectors, labels, counted, strict=True):
        units = [point / np.linalg.norm(point) for point, member in zip(points, members, strict=True) if member]
        kinds = [kind for kind, member in zip(classes, members, strict=True) if member]
        losses = []
        for i, unit in enumerate(units):
            positives = [j for j in range(len(units)) if j != i and kinds[j] == kinds[i]]
            if positives:
                total = math.log(sum(math.exp(unit @ units[k] / temperature) for k in range(len(units)) if k != i))
                losses.append(-np.mean([unit @ units[j] / temperature - total for j in positives]))
        if losses:
            images.append(np.mean(losses))
    return np.mean(images) if images else 0.0


def gaussian_contrast(points, labels, means, covariances, temperature, anchors):
    """Contrast of points (N, L) with one Gaussian per class, voxel by voxel; only labels in ``anchors`` count."""
    losses = []
    for point, label in zip(points, labels, strict=True):
        if label not in anchors:
            continue
        logits = [
            (point @ mean + point @ covariance @ point / (2 * temperature)) / temperature
            for mean, covariance in zip(means, covariances, strict=True)
        ]
        largest = max(logits)
        total = largest + math.log(sum(math.exp(logit - largest) for logit in logits))
        losses.append(total - logits[label] + point @ covariances[label] @ point / (2 * temperature**2))
    return np.mean(losses)

"""The formulas of the papers, written out in float64 with numpy and plain loops; nothing here uses the engine."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def softmax(logits: Array, axis: int = 1) -> Array:
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def indicators(labels: NDArray, classes: int) -> Array:
    return np.stack([(labels == c).astype(np.float64) for c in range(classes)], axis=1)


def dice(
    p: Array, q: Array, mask: NDArray | None = None, *, power: int = 2, first: int = 0, epsilon: float = 1e-5
) -> float:
    """1 - (2 sum m p q + e) / (sum m p^power + sum m q^power + e), sums over batch and space, mean over classes."""
    m = np.ones_like(p[:, 0]) if mask is None else mask.astype(np.float64)
    losses = []
    for c in range(first, p.shape[1]):
        overlap = total = 0.0
        for b in range(p.shape[0]):
            overlap += (m[b] * p[b, c] * q[b, c]).sum()
            total += (m[b] * p[b, c] ** power).sum() + (m[b] * q[b, c] ** power).sum()
        losses.append(1 - (2 * overlap + epsilon) / (total + epsilon))
    return float(np.mean(losses))


def regional_dice(p: Array, q: Array, mask: NDArray | None, regions: int, strips: bool = False) -> float:
    """Mean Dice of blocks of side ceil(size / regions); the last block of an axis takes what is left."""
    cuts = []
    for axis, size in enumerate(p.shape[2:]):
        side = size if strips and axis > 0 else math.ceil(size / regions)
        cuts.append([(start, start + side) for start in range(0, size, side)])
    losses = []
    for block in itertools.product(*cuts):
        window = tuple(slice(low, high) for low, high in block)
        m = None if mask is None else mask[(slice(None), *window)]
        losses.append(dice(p[(slice(None), slice(None), *window)], q[(slice(None), slice(None), *window)], m))
    return float(np.mean(losses))


def cross_entropy(logits: Array, labels: NDArray, counted: NDArray | None = None) -> float:
    """Mean over the counted voxels of log sum exp minus the logit of the true class."""
    total, count = 0.0, 0
    for b, *voxel in np.ndindex(*labels.shape):
        if counted is not None and not counted[(b, *voxel)]:
            continue
        z = logits[(b, slice(None), *voxel)]
        total += z.max() + math.log(np.exp(z - z.max()).sum()) - z[labels[(b, *voxel)]]
        count += 1
    return total / max(count, 1)


def supervised(logits: Array, labels: NDArray, regions: int = 1) -> float:
    target = indicators(labels, logits.shape[1])
    return 0.5 * (cross_entropy(logits, labels) + regional_dice(softmax(logits), target, None, regions))


def mixture(logits: Array, labels: NDArray, mask: Array) -> float:
    """Half Dice, half cross-entropy over the voxels of the mask; volumes have a Dice per sample and class."""
    p, q = softmax(logits), indicators(labels, logits.shape[1])
    counted = np.broadcast_to(mask, labels.shape) > 0
    if labels.ndim == 3:
        return 0.5 * (dice(p, q, counted) + cross_entropy(logits, labels, counted))
    overlaps = []
    for b in range(len(p)):
        for c in range(p.shape[1]):
            both = (mask * p[b, c] * q[b, c]).sum()
            overlaps.append(1 - (2 * both + 1e-5) / ((mask * (p[b, c] + q[b, c])).sum() + 1e-5))
    return float(0.5 * (np.mean(overlaps) + cross_entropy(logits, labels, counted)))


def log_softmax(logits: Array, axis: int) -> Array:
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def pyramid_consistency(logits: Array) -> float:
    """1/S sum_s [mean e^-D_s (q - p_s)^2 / (mean e^-D_s + 1e-8) + mean D_s], D_s = sum_c q log(q / p_s)."""
    logs = log_softmax(logits, axis=2)
    q = np.exp(logs).mean(axis=0)
    terms = []
    for log_p in logs:
        logarithm = np.log(q, out=np.zeros_like(q), where=q > 0)
        d = (q * (logarithm - log_p)).sum(axis=1, keepdims=True)
        terms.append((np.exp(-d) * (q - np.exp(log_p)) ** 2).mean() / (np.exp(-d).mean() + 1e-8) + d.mean())
    return float(np.mean(terms))


def signed_distances(inside: NDArray, absent: float) -> Array:
    """Distance of every voxel to the nearest one of the other side, over its maximum; negative inside."""
    if not inside.any() or inside.all():
        return np.full(inside.shape, -1.0 if inside.any() else absent)
    result = np.zeros(inside.shape)
    places = np.argwhere(np.ones_like(inside))
    for side, sign in ((False, 1), (True, -1)):
        others = places[inside.ravel() != side]
        own = places[inside.ravel() == side]
        d = KDTree(others).query(own)[0]
        # A voxel of the structure at distance 1 has a neighbour outside: it is the boundary.
        values = d / d.max() if not side else np.where(d == 1, 0.0, d / d.max())
        result[tuple(own.T)] = sign * values
    return result


def distance_maps(labels: NDArray, classes: int, absent: float = 1.0) -> Array:
    return np.stack([[signed_distances(image == c, absent) for c in range(1, classes)] for image in labels])


def masks(distances: Array) -> Array:
    """sigmoid(-1500 z), of exponents that float64 can hold."""
    return 1 / (1 + np.exp(np.clip(1500 * distances, -700, 700)))


def interpolation_matrix(coarse: int, fine: int) -> Array:
    """Row i holds the weights of the coarse points in fine point i; centres aligned, clamped at the borders."""
    matrix = np.zeros((fine, coarse))
    for i in range(fine):
        x = min(max((i + 0.5) * coarse / fine - 0.5, 0.0), coarse - 1.0)
        low = math.floor(x)
        matrix[i, low] += 1 - (x - low)
        matrix[i, min(low + 1, coarse - 1)] += x - low
    return matrix


def upsample(h: Array, size: tuple[int, ...]) -> Array:
    for axis, fine in enumerate(size, start=2):
        h = np.moveaxis(np.tensordot(interpolation_matrix(h.shape[axis], fine), h, (1, axis)), 0, axis)
    return h


def image_mean_prototypes(h: Array, masks: Array) -> tuple[Array, NDArray]:
    """CPCL equations 3 and 4; images without the class do not count. Returns vectors (C, L) and validity (C,)."""
    full = upsample(h, masks.shape[2:])
    vectors, valid = np.zeros((masks.shape[1], h.shape[1])), np.zeros(masks.shape[1], bool)
    for c in range(masks.shape[1]):
        means = []
        for b in range(len(h)):
            if masks[b, c].sum() > 0:
                means.append([(full[b, k] * masks[b, c]).sum() / masks[b, c].sum() for k in range(h.shape[1])])
        if means:
            vectors[c], valid[c] = np.mean(means, axis=0), True
    return vectors, valid


def pooled_prototypes(h: Array, weights: Array) -> tuple[Array, NDArray]:
    """Sum w h / sum w per class, over all voxels of all images of the batch (CU2L section 2.3)."""
    full = upsample(h, weights.shape[2:])
    vectors, valid = np.zeros((weights.shape[1], h.shape[1])), np.zeros(weights.shape[1], bool)
    for c in range(weights.shape[1]):
        if weights[:, c].sum() > 0:
            vectors[c] = [(full[:, k] * weights[:, c]).sum() / weights[:, c].sum() for k in range(h.shape[1])]
            valid[c] = True
    return vectors, valid


def confidence_weights(logits: Array) -> Array:
    p = softmax(logits)
    return indicators(p.argmax(axis=1), p.shape[1]) * p


def similarity(h: Array, vectors: Array, size: tuple[int, ...], scale: float) -> Array:
    """Scaled cosine of every voxel of the upsampled map with every prototype, (B, C, *size)."""
    full = upsample(h, size)
    norm = np.sqrt((full**2).sum(axis=1))
    maps = []
    for vector in vectors:
        dot = sum(full[:, k] * vector[k] for k in range(len(vector)))
        maps.append(scale * dot / (norm * np.sqrt((vector**2).sum())))
    return np.stack(maps, axis=1)


def prototype_regularization(labeled: Array, unlabeled: Array, external: Array) -> float:
    """CU2L equation 3; foreground classes share 3/4."""
    foreground = len(labeled) - 1
    total = 0.0
    for c in range(len(labeled)):
        weight = 0.25 if c == 0 else 0.75 / foreground
        distance = np.mean((labeled[c] - external[c]) ** 2) + np.mean((unlabeled[c] - external[c]) ** 2)
        total += weight * distance
    return total


def dice_of_dimension(logits: Array, labels: NDArray, dimensions: int) -> float:
    """Linear denominator on the structures in 3D, squared on all classes in 2D."""
    p, q = softmax(logits), indicators(labels, logits.shape[1])
    if dimensions == 2:
        return dice(p, q)
    return dice(p, q, power=1, first=1, epsilon=1e-8)


def separation(queries: Array, attention: Array, keys: Array, key_attention: Array) -> float:
    """SS-Net equation 4: the weighted mean of 1 - cosine over all pairs of queries and keys, pair by pair."""
    total, norm = 0.0, np.linalg.norm
    for q, a in zip(queries, attention / attention.mean(), strict=True):
        for k, w in zip(keys, key_attention / key_attention.mean(), strict=True):
            total += a * w * (1 - q @ k / (norm(q) * norm(k)))
    return total / (len(queries) * len(keys))

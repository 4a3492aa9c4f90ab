"""How sure a prediction is, and where two predictions part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...jobs.structure_maps import SHARES

POSSIBLE = 0.01
"""Lowest probability of a structure that counts: over a large image smaller ones add up to more than a structure."""


@dataclass(frozen=True)
class VoxelMaps:
    """What class probabilities say about every voxel; all of one spatial shape.

    Attributes:
        classes: Most probable class, uint8 class indices.
        foreground: Probability of any structure, float32 from 0 to 1.
        uncertainty: Entropy divided by ln C, float32 from 0 (certain) to 1 (all classes equally probable).
        shares: Probability of each structure in 255ths, uint8; none when they are not kept.
    """

    classes: np.ndarray
    foreground: np.ndarray
    uncertainty: np.ndarray
    shares: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Disagreement:
    """Where two class maps differ.

    Attributes:
        mask: Voxels in which the maps differ: uint8, 1 where they do.
        dice: Dice of each structure between the two, in the order of the classes 1..N; 1 if absent in both.
    """

    mask: np.ndarray
    dice: tuple[float, ...]


def voxel_maps(probabilities: Iterable[np.ndarray], num_classes: int, keep_shares: bool = False) -> VoxelMaps:
    """Reduce class probabilities to maps, holding one class in memory at a time.

    A voxel outside the predicted field, where all probabilities are 0, is background without uncertainty.

    Args:
        probabilities: Probability of each class from 0 on, arrays of one spatial shape.
        num_classes: Number of classes, at least 2.
        keep_shares: Whether the probability of each structure is kept as well.
    """
    clipped = (np.clip(probability, 0.0, 1.0, dtype=np.float32) for probability in probabilities)
    best = next(clipped)
    classes, foreground, entropy = np.zeros(best.shape, np.uint8), np.zeros_like(best), 0 - _expected_log(best)
    shares = []
    for index, probability in enumerate(clipped, 1):
        if keep_shares:
            shares.append((probability * SHARES + 0.5).astype(np.uint8))
        classes[probability > best] = index
        np.maximum(best, probability, out=best)
        foreground += probability
        entropy -= _expected_log(probability)
    entropy /= np.log(num_classes)
    return VoxelMaps(classes, np.clip(foreground, 0, 1), np.clip(entropy, 0, 1), tuple(shares))


def _expected_log(probability: np.ndarray) -> np.ndarray:
    """Return p log p, 0 where p is 0."""
    return probability * np.log(np.maximum(probability, np.finfo(np.float32).tiny))


def expected_dice(probabilities: Tensor) -> tuple[float | None, ...]:
    """Return the Dice of each structure that its probabilities lead to expect of its segmentation.

    With the segmentation S_c where structure c is the most probable class, it is
    (2 sum_{S_c} p_c + 1) / (sum p_c + |S_c| + 1), that of Dice with an annotation that has the probability p_c in each
    voxel, for sums in place of their expected values. It is None for a structure that has nowhere the probability
    `POSSIBLE`.

    Args:
        probabilities: Class probabilities (C, *spatial), background first.
    """
    segmentation = probabilities.argmax(dim=0)
    return tuple(_expected(structure, segmentation == index) for index, structure in enumerate(probabilities[1:], 1))


def _expected(probability: Tensor, mask: Tensor) -> float | None:
    possible = probability * (probability >= POSSIBLE)
    total = _sum(possible)
    if not total:
        return None
    return (2 * _sum(possible * mask) + 1) / (total + int(mask.sum()) + 1)


def soft_disagreement(first: Tensor, second: Tensor) -> float:
    """Return one minus the mean overlap of two predictions' probabilities, from 0 (the same) to 1.

    The overlap of structure c is 2 sum min(p_c, q_c) / (sum p_c + sum q_c), over the probabilities of at least
    `POSSIBLE`. Structures without any do not count. Unlike the Dice of the segmentations it tells predictions that
    agree and are sure from those that agree by a narrow margin, and so predicts the error of a case better.

    Args:
        first: Class probabilities p (C, *spatial), background first.
        second: Class probabilities q of the same shape.

    Examples:
        >>> import torch
        >>> sure, doubtful = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[0.5, 1.0], [0.5, 0.0]])
        >>> round(soft_disagreement(sure, doubtful), 3)
        0.333
    """
    overlaps = []
    for structure, other in zip(first[1:], second[1:], strict=True):
        p, q = structure * (structure >= POSSIBLE), other * (other >= POSSIBLE)
        total = _sum(p) + _sum(q)
        if total:
            overlaps.append(2 * _sum(p.minimum(q)) / total)
    return 1 - sum(overlaps) / len(overlaps) if overlaps else 0.0


def _sum(values: Tensor) -> float:
    return float(values.double().sum())


def disagreement(first: np.ndarray, second: np.ndarray, num_classes: int) -> Disagreement:
    """Compare two maps of class indices of the same shape."""
    dice = tuple(_dice(first == index, second == index) for index in range(1, num_classes))
    return Disagreement((first != second).astype(np.uint8), dice)


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / total) if total else 1.0

"""Class prototypes by masked average pooling, and the predictions they propagate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ..interpolation import adjoint_upsample, upsample, upsampled_squared_norm
from ..tensors import append_axes
from .overlap import one_hot
from .precision import full_precision

NORM_CLAMP = 1e-8
ABSENT_LOGIT = -1e4
"""Logit of a class without prototype: probability 0 in float32, and gradients stay finite."""


class Prototypes(NamedTuple):
    """One vector per class.

    Attributes:
        vectors: (C, L); zero where invalid.
        valid: (C,) bool; False for a class that was absent and has no prototype.
    """

    vectors: Tensor
    valid: Tensor

    def detach(self) -> Prototypes:
        """Return the same prototypes as constants."""
        return Prototypes(self.vectors.detach(), self.valid)


def _masses(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted feature sums (B, C, L) and weight sums (B, C), as if features were upsampled."""
    coarse = adjoint_upsample(weights, features.shape[2:]).flatten(2)
    sums = torch.einsum("bcv,blv->bcl", coarse, features.flatten(2))
    return sums, weights.flatten(2).sum(dim=2)


@full_precision
def confidence_weights(logits: Tensor) -> Tensor:
    """Return one-hot pseudo label times probability, (B, C, *spatial): the weights of confidence-weighted pooling."""
    probabilities = logits.softmax(dim=1)
    return one_hot(probabilities.argmax(dim=1), logits.shape[1]) * probabilities


@full_precision
def pooled_prototypes(features: Tensor, weights: Tensor) -> Prototypes:
    """Weighted average pooling over the whole batch: c = sum_bv w h / sum_bv w (CU2L section 2.3).

    With the weights of :func:`confidence_weights` this is CU2L's confidence-weighted pooling.

    Args:
        features: (B, L, *coarse), upsampled in effect to the size of the weights.
        weights: (B, C, *spatial), constant with respect to gradients.
    """
    sums, mass = _masses(features, weights)
    total = mass.sum(dim=0)
    valid = total > 0
    vectors = sums.sum(dim=0) / torch.where(valid, total, torch.ones_like(total)).unsqueeze(1)
    return Prototypes(vectors, valid)


@full_precision
def image_mean_prototypes(features: Tensor, masks: Tensor) -> Prototypes:
    """Mean over images of each image's masked average (CPCL equations 3 and 4).

    Images in which a class is absent do not take part in that class's mean. Shapes as for
    :func:`pooled_prototypes`.
    """
    sums, mass = _masses(features, masks)
    present = mass > 0
    means = sums / torch.where(present, mass, torch.ones_like(mass)).unsqueeze(2)
    images = present.sum(dim=0)
    vectors = means.sum(dim=0) / images.clamp(min=1).unsqueeze(1)
    return Prototypes(vectors, images > 0)


@full_precision
def prototype_logits(features: Tensor, prototypes: Prototypes, size: Sequence[int], scale: float) -> Tensor:
    """Scaled cosine similarity of upsampled features with each class prototype, (B, C, *size).

    A softmax over dim 1 gives the prototype-propagated prediction (CPCL equation 5 with alpha = 20, CU2L with
    T = 0.05, which is the same number). The dot product commutes with upsampling, the norm does not and is
    computed exactly. Classes without prototype get :data:`ABSENT_LOGIT`.

    Args:
        features: (B, L, *coarse).
        prototypes: vectors (C, L).
        size: spatial size of the answer.
        scale: alpha or 1 / T.
    """
    directions = functional.normalize(prototypes.vectors, dim=1, eps=NORM_CLAMP)
    dots = upsample(torch.einsum("bl...,cl->bc...", features, directions), size)
    norms = upsampled_squared_norm(features, size).clamp(min=NORM_CLAMP**2).sqrt()
    absent = append_axes(~prototypes.valid.unsqueeze(0), dots)
    return (scale * dots / norms.unsqueeze(1)).masked_fill(absent, ABSENT_LOGIT)


def has_two_classes(prototypes: Prototypes) -> Tensor:
    """1.0 where at least two classes have prototypes, else 0.0; a scalar tensor, so nothing waits for the device.

    A softmax over one class is constant, so a loss built on it teaches nothing and is switched off.
    """
    return (prototypes.valid.sum() >= 2).float()


@full_precision
def prototype_cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    """Mean cross-entropy of prototype logits over the voxels whose class has a prototype (CPCL equation 10).

    Args:
        logits: (B, C, *spatial) of :func:`prototype_logits`.
        labels: (B, *spatial) class indices.
        valid: (C,) bool, the classes that have prototypes; 0 is returned if no voxel is of such a class.
    """
    counted = valid[labels]
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return torch.where(counted, losses, torch.zeros_like(losses)).sum() / counted.sum().clamp(min=1)


@full_precision
def prototype_regularization(labeled: Prototypes, unlabeled: Prototypes, external: Prototypes) -> Tensor:
    """Category-level alignment L_cr of CU2L (section 2.3), for any number of classes.

    Mean squared distance over channels d(c_l, c_e) + d(c_u, c_e) per class; the foreground classes share a
    weight of 3/4, the background has 1/4. A distance to a prototype that does not exist is left out.
    """
    distances = _distances(labeled, external) + _distances(unlabeled, external)
    return 0.75 * distances[1:].mean() + 0.25 * distances[0]


def _distances(first: Prototypes, second: Prototypes) -> Tensor:
    distances = (first.vectors - second.vectors).square().mean(dim=1)
    return torch.where(first.valid & second.valid, distances, torch.zeros_like(distances))

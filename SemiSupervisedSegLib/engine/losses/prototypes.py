"""Class prototypes by masked average pooling (CPCL equations 3 and 4, CU2L section 2.3), and their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ..interpolation import adjoint_upsample, upsample, upsampled_squared_norm
from ..precision import full_precision
from ..tensors import append_axes
from .overlap import one_hot

NORM_CLAMP = 1e-8
ABSENT_LOGIT = -1e4
"""Logit of a class without prototype: probability 0 in float32, and gradients stay finite."""


class Prototypes(NamedTuple):
    """One vector per class.

    Attributes:
        vectors: Vectors (C, L); zero where invalid.
        valid: Classes that have a prototype, bool (C,); False for a class that was absent.
    """

    vectors: Tensor
    valid: Tensor

    def detach(self) -> Prototypes:
        """Return the same prototypes as constants."""
        return Prototypes(self.vectors.detach(), self.valid)


def _masses(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted feature sums (B, C, L) and weight sums (B, C), as if features were upsampled."""
    coarse = adjoint_upsample(weights.to(features.dtype), features.shape[2:]).flatten(2)
    sums = torch.einsum("bcv,blv->bcl", coarse, features.flatten(2))
    return sums, weights.flatten(2).sum(dim=2)


@full_precision
def confidence_weights(logits: Tensor) -> Tensor:
    """Return one-hot pseudo label times probability, (B, C, *spatial), as weights of the pooling (CU2L section 2.3).

    Args:
        logits: Logits (B, C, *spatial).

    Examples:
        >>> confidence_weights(torch.tensor([[[0.0], [1.0]]])).flatten()
        tensor([0.0000, 0.7311])
    """
    probabilities = logits.softmax(dim=1)
    return one_hot(probabilities.argmax(dim=1), logits.shape[1]) * probabilities


@full_precision
def pooled_prototypes(features: Tensor, weights: Tensor) -> Prototypes:
    """Return the weighted average over the whole batch: c = sum_bv w h / sum_bv w (CU2L section 2.3).

    With the weights of :func:`confidence_weights` this is CU2L's confidence-weighted pooling.

    Args:
        features: Feature maps h (B, L, *coarse), upsampled in effect to the size of the weights.
        weights: Weights w (B, C, *spatial), constant with respect to gradients.

    Examples:
        >>> features = torch.tensor([[[[1.0, 3.0, 9.0]]]])
        >>> weights = one_hot(torch.tensor([[[0, 0, 2]]]), num_classes=3)
        >>> vectors, valid = pooled_prototypes(features, weights)
        >>> vectors.flatten(), valid
        (tensor([2., 0., 9.]), tensor([ True, False,  True]))
    """
    sums, mass = _masses(features, weights)
    total = mass.sum(dim=0)
    valid = total > 0
    vectors = sums.sum(dim=0) / torch.where(valid, total, torch.ones_like(total)).unsqueeze(1)
    return Prototypes(vectors, valid)


@full_precision
def image_mean_prototypes(features: Tensor, masks: Tensor) -> Prototypes:
    """Return the mean over images of each image's masked average (CPCL equations 3 and 4).

    Images in which a class is absent do not take part in that class's mean.

    Args:
        features: Feature maps (B, L, *coarse), upsampled in effect to the size of the masks.
        masks: Masks (B, C, *spatial) of the classes, constant with respect to gradients.

    Examples:
        >>> features = torch.tensor([[[[1.0, 3.0]]], [[[8.0, 8.0]]]])
        >>> image_mean_prototypes(features, one_hot(torch.zeros(2, 1, 2).long(), num_classes=1)).vectors
        tensor([[5.]])
    """
    sums, mass = _masses(features, masks)
    present = mass > 0
    means = sums / torch.where(present, mass, torch.ones_like(mass)).unsqueeze(2)
    images = present.sum(dim=0)
    vectors = means.sum(dim=0) / images.clamp(min=1).unsqueeze(1)
    return Prototypes(vectors, images > 0)


@full_precision
def prototype_logits(features: Tensor, prototypes: Prototypes, size: Sequence[int], scale: float) -> Tensor:
    """Return the scaled cosine similarity of upsampled features with each prototype, (B, C, *size).

    A softmax over dim 1 gives the prototype-propagated prediction (CPCL equation 5 with alpha = 20, CU2L with
    T = 0.05, which is the same number). The dot product commutes with upsampling, the norm does not and is
    computed exactly. Classes without prototype get :data:`ABSENT_LOGIT`.

    Args:
        features: Feature maps (B, L, *coarse).
        prototypes: Prototypes with vectors (C, L).
        size: Spatial size of the result in voxels.
        scale: Scale alpha or 1 / T.

    Examples:
        >>> features = torch.tensor([[[[2.0, 0.0]], [[0.0, 5.0]]]])
        >>> prototypes = Prototypes(torch.eye(2), torch.tensor([True, True]))
        >>> prototype_logits(features, prototypes, size=(1, 2), scale=20.0)
        tensor([[[[20.,  0.]],
        <BLANKLINE>
                 [[ 0., 20.]]]])
    """
    directions = functional.normalize(prototypes.vectors, dim=1, eps=NORM_CLAMP)
    dots = upsample(torch.einsum("bl...,cl->bc...", features, directions), size)
    norms = upsampled_squared_norm(features, size).clamp(min=NORM_CLAMP**2).sqrt()
    absent = append_axes(~prototypes.valid.unsqueeze(0), dots)
    return (scale * dots / norms.unsqueeze(1)).masked_fill(absent, ABSENT_LOGIT)


def has_two_classes(prototypes: Prototypes) -> Tensor:
    """Return 1.0 where at least two classes have prototypes, else 0.0.

    A softmax over one class is constant, so a loss built on it teaches nothing and is switched off (CPCL equation 5).
    The result is a scalar tensor, so that no step waits for the device.

    Args:
        prototypes: Prototypes with vectors (C, L).

    Examples:
        >>> has_two_classes(Prototypes(torch.zeros(3, 4), torch.tensor([True, False, False])))
        tensor(0.)
    """
    return (prototypes.valid.sum() >= 2).float()


@full_precision
def prototype_cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    """Return the mean cross-entropy over the voxels whose class has a prototype (CPCL equation 10).

    Args:
        logits: Logits (B, C, *spatial) of :func:`prototype_logits`.
        labels: Class indices (B, *spatial).
        valid: Classes that have prototypes, bool (C,); without any voxel of such a class the result is 0.

    Examples:
        >>> logits, labels = torch.tensor([[[0.0, 0.0], [0.0, -1e4]]]), torch.tensor([[0, 1]])
        >>> prototype_cross_entropy(logits, labels, torch.tensor([True, False]))
        tensor(0.6931)
    """
    counted = valid[labels]
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return torch.where(counted, losses, torch.zeros_like(losses)).sum() / counted.sum().clamp(min=1)


@full_precision
def prototype_regularization(labeled: Prototypes, unlabeled: Prototypes, external: Prototypes) -> Tensor:
    """Return the category-level alignment L_cr for any number of classes (CU2L section 2.3, equation 3).

    Mean squared distance over channels d(c_l, c_e) + d(c_u, c_e) per class; the foreground classes share a
    weight of 3/4, the background has 1/4. A distance to a prototype that does not exist is left out.

    Args:
        labeled: Prototypes c_l with vectors (C, L) of the labeled images.
        unlabeled: Prototypes c_u of the unlabeled images of the same site.
        external: Prototypes c_e of the unlabeled images of other sites.

    Examples:
        >>> zeros, twos = (Prototypes(torch.full((2, 4), value), torch.tensor([True, True])) for value in (0.0, 2.0))
        >>> prototype_regularization(zeros, zeros, zeros), prototype_regularization(zeros, twos, twos)
        (tensor(0.), tensor(4.))
    """
    distances = _distances(labeled, external) + _distances(unlabeled, external)
    return 0.75 * distances[1:].mean() + 0.25 * distances[0]


def _distances(first: Prototypes, second: Prototypes) -> Tensor:
    distances = (first.vectors - second.vectors).square().mean(dim=1)
    return torch.where(first.valid & second.valid, distances, torch.zeros_like(distances))

"""Classifiers of feature maps by class prototypes: cosine similarity, or Gaussians that share one covariance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from ..interpolation import upsample
from ..losses.prototypes import ABSENT_LOGIT, Prototypes, prototype_logits
from ..networks.output import FeatureLevel, NetworkOutput
from ..precision import full_precision
from ..tensors import append_axes

ClassifierKind = Literal["gaussian", "cosine"]
COSINE_SCALE = 20.0
"""The scale of the cosines: alpha of CPCL, 1 / T of CU2L."""
GAUSSIAN_LEVELS: tuple[FeatureLevel, ...] = ("decoder_half", "decoder_full")
RIDGE = 1e-3
"""Variance that is added to every feature, as a share of the mean variance, so that the covariance has an inverse."""


@dataclass(frozen=True, eq=False)
class PrototypeClassifier(ABC):
    """Base of the classifiers by class prototypes.

    Attributes:
        levels: Levels of the features, in the order of their channels.
        valid: Classes that have a prototype, bool (C,); others have the probability 0.
    """

    kind: ClassVar[ClassifierKind]
    levels: tuple[FeatureLevel, ...]
    valid: Tensor

    @abstractmethod
    def logits(self, output: NetworkOutput, size: Sequence[int]) -> Tensor:
        """Return the logits (B, C, *size) in float32 of the voxels of a network's feature maps.

        Args:
            output: Output of the network with feature maps (B, L, *coarse).
            size: Spatial size of the result in voxels.
        """

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, as a file of a model has them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "levels"}

    def to(self, device: torch.device) -> Self:
        """Return the classifier with its tensors on a device."""
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in self.tensors().items()}
        return replace(self, **moved)

    def restricted(self, is_selected: Tensor) -> Self:
        """Return the classifier of some classes only, bool (C,)."""
        return replace(self, valid=self.valid & is_selected.to(self.valid.device))


@dataclass(frozen=True, eq=False)
class CosineClassifier(PrototypeClassifier):
    """Softmax of the scaled cosine similarity to one vector for each class (CPCL, equation 5).

    Attributes:
        vectors: Mean features (C, L) at the one level of the classifier.
    """

    kind = "cosine"
    vectors: Tensor

    def logits(self, output: NetworkOutput, size: Sequence[int]) -> Tensor:
        """Return the logits (B, C, *size), see the base class."""
        (level,) = self.levels
        return prototype_logits(output.features(level), Prototypes(self.vectors, self.valid), size, COSINE_SCALE)


@dataclass(frozen=True, eq=False)
class GaussianClassifier(PrototypeClassifier):
    """Linear discriminant analysis: class means under one covariance S, and the share pi of each class.

    log p(c | x) = log pi_c - (x - mu_c)^T S^-1 (x - mu_c) / 2 up to a constant, which is linear in the features x
    (T. Hastie et al.: The Elements of Statistical Learning, 2nd ed., equation 4.10). What is linear commutes with
    upsampling, so that C maps are upsampled instead of L.

    Attributes:
        means: Means mu (C, L) of the features of all levels in a row, float64.
        covariance: Covariance S (L, L), float64; it may be singular.
        shares: Shares pi (C,) of the voxels, float64.
    """

    kind = "gaussian"
    means: Tensor
    covariance: Tensor
    shares: Tensor

    def logits(self, output: NetworkOutput, size: Sequence[int]) -> Tensor:
        """Return the logits (B, C, *size), see the base class."""
        weights, biases = self._linear
        features = [output.features(level).float() for level in self.levels]
        return _linear_logits(features, weights, biases, self.valid, size)

    @cached_property
    def _linear(self) -> tuple[Tensor, Tensor]:
        """Weights (C, L) and biases (C,) of the logits.

        Means are taken from their centre, which changes no difference of logits and keeps them small.
        """
        covariance = self.covariance.double()
        variance = covariance.diagonal().mean()
        ridge = RIDGE * torch.where(variance > 0, variance, torch.ones_like(variance))
        regular = covariance + ridge * torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
        present = self.valid.unsqueeze(1)
        # Not the mean of those selected, which would wait for a graphics card to say how many there are.
        centre = self.means.double().where(present, 0).sum(dim=0) / self.valid.sum()
        weights = torch.linalg.solve(regular, (self.means.double() - centre).mT).mT
        biases = self.shares.double().log() - (weights * (self.means.double() + centre)).sum(dim=1) / 2
        return weights.where(present, 0).float(), biases.where(self.valid, 0).float()


@full_precision
def _linear_logits(
    features: list[Tensor], weights: Tensor, biases: Tensor, valid: Tensor, size: Sequence[int]
) -> Tensor:
    parts = weights.split([maps.shape[1] for maps in features], dim=1)
    maps = [upsample(torch.einsum("bl...,cl->bc...", f, w), size) for f, w in zip(features, parts, strict=True)]
    logits = torch.stack(maps).sum(dim=0) + append_axes(biases.unsqueeze(0), maps[0])
    return logits.masked_fill(append_axes(~valid.unsqueeze(0), logits), ABSENT_LOGIT)


CLASSIFIERS: dict[str, type[PrototypeClassifier]] = {"cosine": CosineClassifier, "gaussian": GaussianClassifier}


def checked_classifier(
    kind: str, levels: Sequence[str], tensors: Mapping[str, Tensor], num_classes: int
) -> PrototypeClassifier:
    """Return the classifier with the tensors of a file.

    Args:
        kind: Name of the classifier.
        levels: Levels of the features.
        tensors: Tensors by name.
        num_classes: Number of classes, background included.

    Raises:
        ValueError: They are no classifier of so many classes.
        KeyError: A name is unknown.
        TypeError: A tensor is missing.
    """
    names: dict[str, FeatureLevel] = {level: level for level in get_args(FeatureLevel)}
    if kind == "cosine" and len(levels) != 1:
        raise ValueError("cosines are of one level")
    classifier = CLASSIFIERS[kind](levels=tuple(names[level] for level in levels), **tensors)
    valid = classifier.valid
    if valid.dtype is not torch.bool or valid.shape != (num_classes,):
        raise ValueError("the prototypes are of another number of classes")
    matrices = {name: tensor for name, tensor in classifier.tensors().items() if name != "valid"}
    first = matrices.get("means", matrices.get("vectors"))
    if first is None or first.ndim != 2:
        raise ValueError("the prototypes are no vectors")
    length = first.shape[1]
    shapes = {"covariance": (length, length), "shares": (num_classes,)}
    for name, tensor in matrices.items():
        if not tensor.is_floating_point() or tensor.shape != shapes.get(name, (num_classes, length)):
            raise ValueError(f"the {name} of the prototypes do not fit")
    return classifier

"""What a student learns from how its teacher tells things apart (SimCVD, You et al., IEEE TMI 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision


@full_precision
def contrastive_distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Pull the vectors of a student to the teacher's of the same things and away from those of others (SimCVD, 2022).

    -mean_i log(exp(s_i t_i / tau) / sum_j exp(s_i t_j / tau)) with unit vectors s and t (InfoNCE, van den Oord et al.,
    2018). A single vector costs nothing.

    Args:
        student: Vectors s (N, L) of any length.
        teacher: Vectors t (N, L) of the same things, constant.
        temperature: Temperature tau.

    Examples:
        >>> vectors = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
        >>> contrastive_distillation(vectors, vectors, temperature=0.5)
        tensor(0.1269)
        >>> contrastive_distillation(vectors, vectors.flip(0), temperature=0.5)
        tensor(2.1269)
    """
    similarities = functional.normalize(student, dim=1) @ functional.normalize(teacher, dim=1).mT / temperature
    return functional.cross_entropy(similarities, torch.arange(len(student), device=student.device))


@full_precision
def pairwise_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference between how alike the places of an image are to student and teacher.

    mean_ij (a_ij(s) - a_ij(t))^2 with a_ij the cosine of the features of the places i and j of an image (structured
    knowledge distillation, Liu et al., CVPR 2019; SimCVD, 2022).

    Args:
        student: Feature maps (B, L, *coarse).
        teacher: Feature maps (B, L, *coarse), constant.

    Examples:
        >>> student, teacher = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, -2.0]]])
        >>> pairwise_distillation(student, teacher)
        tensor(2.)
    """
    return functional.mse_loss(_similarities(student), _similarities(teacher))


def _similarities(features: Tensor) -> Tensor:
    """Return the cosines (B, N, N) of the features of all N places of a map (B, L, *coarse)."""
    units = functional.normalize(features.flatten(2), dim=1)
    return units.mT @ units

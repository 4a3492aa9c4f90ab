"""Consistency losses between two predictions of the same image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .precision import full_precision

EPSILON = 1e-16
ENTROPY_EPSILON = 1e-6
"""As the released code of UA-MT keeps the quotient and the logarithm finite."""


@full_precision
def probability_consistency(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean squared difference of softmax probabilities, mean over batch, classes and voxels (Mean Teacher).

    Both are logits (B, C, *spatial); the caller runs the teacher without gradients.
    """
    return functional.mse_loss(student_logits.softmax(dim=1), teacher_logits.softmax(dim=1))


@full_precision
def logit_consistency(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean squared difference of logits (B, C, *spatial) (CU2L, equation of L_sta)."""
    return functional.mse_loss(student_logits, teacher_logits)


@full_precision
def certain_probability_consistency(student_logits: Tensor, teacher_logits: Tensor, certain: Tensor) -> Tensor:
    """Mean squared difference of softmax probabilities over the certain voxels only (UA-MT, equation 4).

    sum m (p_s - p_t)^2 / (C sum m); nothing certain costs nothing.

    Args:
        student_logits: (B, C, *spatial).
        teacher_logits: (B, C, *spatial), constant.
        certain: m (B, *spatial) of 0 and 1.
    """
    squares = (student_logits.softmax(dim=1) - teacher_logits.softmax(dim=1)).square().sum(dim=1)
    return (certain * squares).sum() / (student_logits.shape[1] * certain.sum() + EPSILON)


@full_precision
def predictive_entropy(probabilities: Tensor) -> Tensor:
    """Entropy in nats per voxel, (B, *spatial), of probabilities (B, C, *spatial) (UA-MT, equation 3)."""
    return -(probabilities * (probabilities + ENTROPY_EPSILON).log()).sum(dim=1)


@full_precision
def sharpen(logits: Tensor, temperature: float) -> Tensor:
    """Probabilities (B, C, *spatial) raised to 1 / T and normalised again (MC-Net, equation 1).

    For any number of classes; with two it is the published p^(1/T) / (p^(1/T) + (1 - p)^(1/T)).
    Written on the logits, for p^10 would underflow.
    """
    return (logits / temperature).softmax(dim=1)


@full_precision
def mutual_consistency(logits: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Mean squared difference between a decoder's probabilities and the sharpened ones of another (MC-Net, equation 2).

    Both are logits (B, C, *spatial); the gradient runs into both, as published.
    """
    return functional.mse_loss(logits.softmax(dim=1), sharpen(others, temperature))

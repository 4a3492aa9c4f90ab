"""Consistency losses between two predictions of the same image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .precision import full_precision


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

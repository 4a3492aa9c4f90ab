"""Consistency losses between two predictions of the same image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision

EPSILON = 1e-16
ENTROPY_EPSILON = 1e-6
"""As the released code of UA-MT keeps the quotient and the logarithm finite."""


@full_precision
def probability_consistency(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean squared difference of two predictions' probabilities (Tarvainen and Valpola, NeurIPS 2017).

    mean (softmax(s) - softmax(t))^2 over batch, classes and voxels.

    Args:
        student_logits: Logits s (B, C, *spatial).
        teacher_logits: Logits t (B, C, *spatial), made without gradients.

    Examples:
        >>> student, teacher = torch.tensor([[[100.0], [0.0]]]), torch.tensor([[[0.0], [0.0]]])
        >>> probability_consistency(student, teacher)
        tensor(0.2500)
    """
    return functional.mse_loss(student_logits.softmax(dim=1), teacher_logits.softmax(dim=1))


@full_precision
def logit_consistency(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean squared difference of two predictions' logits (CU2L section 2.4, L_sta).

    Args:
        student_logits: Logits (B, C, *spatial).
        teacher_logits: Logits (B, C, *spatial), made without gradients.

    Examples:
        >>> logit_consistency(torch.zeros(1, 2, 4, 4), torch.full((1, 2, 4, 4), 3.0))
        tensor(9.)
    """
    return functional.mse_loss(student_logits, teacher_logits)


@full_precision
def certain_probability_consistency(student_logits: Tensor, teacher_logits: Tensor, certain: Tensor) -> Tensor:
    """Return the mean squared difference of probabilities over the certain voxels (UA-MT, equation 4).

    sum m (p_s - p_t)^2 / (C sum m); nothing certain costs nothing.

    Args:
        student_logits: Logits (B, C, *spatial).
        teacher_logits: Logits (B, C, *spatial), made without gradients.
        certain: Mask m (B, *spatial) of 0 and 1.

    Examples:
        >>> student, teacher = torch.tensor([[[100.0, 100.0], [0.0, 0.0]]]), torch.zeros(1, 2, 2)
        >>> certain_probability_consistency(student, teacher, torch.tensor([[1.0, 0.0]]))
        tensor(0.2500)
        >>> certain_probability_consistency(student, teacher, torch.zeros(1, 2))
        tensor(0.)
    """
    squares = (student_logits.softmax(dim=1) - teacher_logits.softmax(dim=1)).square().sum(dim=1)
    return (certain * squares).sum() / (student_logits.shape[1] * certain.sum() + EPSILON)


@full_precision
def predictive_entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy in nats of each voxel, (B, *spatial) (UA-MT, equation 3).

    Args:
        probabilities: Probabilities (B, C, *spatial).

    Examples:
        >>> predictive_entropy(torch.tensor([[[0.5, 0.9], [0.5, 0.1]]]))
        tensor([[0.6931, 0.3251]])
    """
    return -(probabilities * (probabilities + ENTROPY_EPSILON).log()).sum(dim=1)


@full_precision
def sharpen(logits: Tensor, temperature: float, *, per_channel: bool = False) -> Tensor:
    """Return probabilities (B, C, *spatial) raised to 1 / T and normalised again (MC-Net, equation 1).

    For any number of classes; with two it is the published p^(1/T) / (p^(1/T) + (1 - p)^(1/T)). The logits are scaled,
    for p^10 would underflow.

    Args:
        logits: Logits (B, C, *spatial) of p.
        temperature: Temperature T.
        per_channel: Whether each channel is sharpened against the sum of the others, as in the released code, so that
            more than two do not add up to 1.

    Examples:
        >>> logits = torch.tensor([[[0.2], [0.0]]])
        >>> logits.softmax(dim=1).flatten(), sharpen(logits, 0.1).flatten()
        (tensor([0.5498, 0.4502]), tensor([0.8808, 0.1192]))
    """
    if per_channel:
        classes = range(logits.shape[1])
        others = [logits[:, [k for k in classes if k != c]].logsumexp(dim=1) for c in classes]
        return ((logits - torch.stack(others, dim=1)) / temperature).sigmoid()
    return (logits / temperature).softmax(dim=1)


@full_precision
def mutual_consistency(
    logits: Tensor, other_logits: Tensor, temperature: float, *, per_channel: bool = False
) -> Tensor:
    """Return the mean squared difference of a decoder's probabilities to another's sharpened ones (MC-Net, equation 2).

    The gradient runs into both, as published.

    Args:
        logits: Logits (B, C, *spatial) of the one decoder.
        other_logits: Logits (B, C, *spatial) of the other decoder.
        temperature: Temperature of the sharpening.
        per_channel: As in :func:`sharpen`.

    Examples:
        >>> mutual_consistency(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), temperature=0.1)
        tensor(0.)
    """
    return functional.mse_loss(logits.softmax(dim=1), sharpen(other_logits, temperature, per_channel=per_channel))

"""Local distributional smoothness: a prediction stays the same under the perturbation that changes it most."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ..tensors import append_axes
from .overlap import dice_loss
from .precision import full_precision

Discrepancy = Callable[[Tensor, Tensor], Tensor]


def adversarial_perturbation(
    predict: Callable[[Tensor], Tensor],
    images: Tensor,
    clean: Tensor,
    discrepancy: Discrepancy,
    *,
    trial: float,
    radius: float,
) -> Tensor:
    """Return r_adv (B, C_in, *spatial) of norm ``radius`` per sample, by one power iteration (SS-Net, equation 2).

    The gradient is taken with respect to the perturbation only, so parameters get none. Where the prediction does not
    change at all the perturbation is zero.

    Args:
        predict: images to logits.
        images: (B, C_in, *spatial).
        clean: probabilities of the unperturbed images, constant.
        discrepancy: D, of the clean probabilities and perturbed logits.
        trial: xi, the length of the random first perturbation.
        radius: epsilon, the Euclidean length of the result over a whole sample.
    """
    with torch.enable_grad():
        direction = unit_length(torch.rand_like(images) - 0.5).requires_grad_()
        distance = discrepancy(clean, predict(images.detach() + trial * direction))
        (gradient,) = torch.autograd.grad(distance, direction)
    return radius * unit_length(gradient)


@full_precision
def unit_length(vectors: Tensor) -> Tensor:
    """Divide every sample (B, ...) by its Euclidean length; zero stays zero."""
    # Divided by the largest value first, for the squares of small gradients underflow.
    largest = vectors.abs().flatten(1).amax(dim=1).clamp(min=torch.finfo(vectors.dtype).tiny)
    scaled = vectors / append_axes(largest, vectors)
    return functional.normalize(scaled.flatten(1), dim=1).view_as(vectors)


@full_precision
def dice_discrepancy(clean: Tensor, logits: Tensor, *, joint: bool = False) -> Tensor:
    """D of SS-Net (equation 3): soft Dice loss between two probability maps, linear in 3D and squared in 2D.

    Args:
        clean: probabilities (B, C, *spatial), constant.
        logits: (B, C, *spatial) of the perturbed images.
        joint: one overlap of all classes together, as released for 3D, instead of the mean over classes.
    """
    perturbed = logits.softmax(dim=1)
    if joint:
        clean, perturbed = clean.unsqueeze(1), perturbed.unsqueeze(1)
    return dice_loss(perturbed, clean, squared=logits.dim() == 4)


@full_precision
def kl_discrepancy(clean: Tensor, logits: Tensor) -> Tensor:
    """D of virtual adversarial training: KL(clean || perturbed) in nats, mean over voxels (SS-Net table 3)."""
    voxels = functional.kl_div(logits.log_softmax(dim=1), clean, reduction="none").sum(dim=1)
    return voxels.mean()

"""Local distributional smoothness: a prediction stays the same under the perturbation that changes it most.

T. Miyato et al., IEEE Trans. Pattern Analysis and Machine Intelligence 41(8), 2019, as used by SS-Net (section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision
from ..tensors import append_axes
from .overlap import dice_loss

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
        predict: Function from images to logits.
        images: Images (B, C_in, *spatial).
        clean: Probabilities (B, C, *spatial) of the unperturbed images, constant.
        discrepancy: Discrepancy D of the clean probabilities and perturbed logits.
        trial: Length xi of the random first perturbation.
        radius: Euclidean length epsilon of the result over a whole sample.

    Examples:
        >>> images, predict = torch.randn(2, 1, 4, 4), torch.nn.Conv2d(1, 3, 3, padding=1)
        >>> clean = predict(images).softmax(dim=1).detach()
        >>> perturbation = adversarial_perturbation(predict, images, clean, kl_discrepancy, trial=1.0, radius=2.0)
        >>> perturbation.shape, torch.allclose(perturbation.flatten(1).norm(dim=1), torch.tensor(2.0))
        (torch.Size([2, 1, 4, 4]), True)
    """
    with torch.enable_grad():
        direction = unit_length(torch.rand_like(images) - 0.5).requires_grad_()
        distance = discrepancy(clean, predict(images.detach() + trial * direction))
        (gradient,) = torch.autograd.grad(distance, direction)
    return radius * unit_length(gradient)


@full_precision
def unit_length(vectors: Tensor) -> Tensor:
    """Divide every sample by its Euclidean length; zero stays zero (SS-Net, equation 2).

    Args:
        vectors: Samples (B, ...) of any further shape.

    Examples:
        >>> unit_length(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    # Divided by the largest value first, for the squares of small gradients underflow.
    largest = vectors.abs().flatten(1).amax(dim=1).clamp(min=torch.finfo(vectors.dtype).tiny)
    scaled = vectors / append_axes(largest, vectors)
    return functional.normalize(scaled.flatten(1), dim=1).view_as(vectors)


@full_precision
def dice_discrepancy(clean: Tensor, logits: Tensor, *, joint: bool = False) -> Tensor:
    """Return D of SS-Net (equation 3): soft Dice loss of two probability maps, linear in 3D and squared in 2D.

    Args:
        clean: Probabilities (B, C, *spatial), constant.
        logits: Logits (B, C, *spatial) of the perturbed images.
        joint: Whether all classes have one overlap together, as released for 3D, instead of the mean over classes.

    Examples:
        >>> logits = torch.tensor([4.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
        >>> clean, opposite = logits.softmax(dim=1), -logits
        >>> dice_discrepancy(clean, logits).abs() < 1e-6, dice_discrepancy(clean, opposite)
        (tensor(True), tensor(0.9993))
    """
    perturbed = logits.softmax(dim=1)
    if joint:
        clean, perturbed = clean.unsqueeze(1), perturbed.unsqueeze(1)
    return dice_loss(perturbed, clean, squared=logits.dim() == 4)


@full_precision
def kl_discrepancy(clean: Tensor, logits: Tensor) -> Tensor:
    """Return D of virtual adversarial training: KL(clean || perturbed) in nats, mean over voxels (SS-Net table 3).

    Args:
        clean: Probabilities (B, C, *spatial), constant.
        logits: Logits (B, C, *spatial) of the perturbed images.

    Examples:
        >>> kl_discrepancy(torch.tensor([[[1.0], [0.0]]]), torch.zeros(1, 2, 1))
        tensor(0.6931)
    """
    voxels = functional.kl_div(logits.log_softmax(dim=1), clean, reduction="none").sum(dim=1)
    return voxels.mean()

"""Discriminators against a segmentation network (DAN, Zhang et al., MICCAI 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...networks.discriminator import LABELED, UNLABELED
from ...tensors import promote
from .batchnorm import eval_mode

DISCRIMINATOR_OPTIMIZER = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "learning_rate_schedule": "constant",
    "adam_betas": (0.9, 0.99),
    "weight_decay": 0.0,
}


def adversarial_loss(discriminator: nn.Module, maps: Tensor, images: Tensor) -> Tensor:
    """Return how well a discriminator, in evaluation mode, sees that maps are not of labeled images (DAN, equation 1).

    Args:
        discriminator: `networks.discriminator.Discriminator`, which learns nothing from this.
        maps: Probabilities (B, C, *spatial) that shall be taken for those of labeled images.
        images: Their images (B, C_in, *spatial).

    Examples:
        >>> from ...networks.discriminator import Discriminator
        >>> maps, images = torch.rand(2, 3, 16, 16).requires_grad_(), torch.rand(2, 1, 16, 16)
        >>> adversarial_loss(Discriminator(2, num_classes=3, in_channels=1), maps, images).backward()
        >>> maps.grad.abs().max() > 0
        tensor(True)
    """
    with eval_mode(discriminator):
        answers = discriminator(maps, images)
    return functional.cross_entropy(promote(answers), torch.full((len(maps),), LABELED, device=maps.device))


def discriminator_loss(discriminator: nn.Module, maps: Tensor, images: Tensor, labeled: int) -> Tensor:
    """Return how badly a discriminator tells the first maps, as of labeled images, from the others (DAN, equation 2).

    Args:
        discriminator: `networks.discriminator.Discriminator` that learns.
        maps: Probabilities (B, C, *spatial), constant.
        images: Their images (B, C_in, *spatial).
        labeled: Number of the first maps.

    Examples:
        >>> from ...networks.discriminator import Discriminator
        >>> maps, images = torch.rand(2, 3, 16, 16), torch.rand(2, 1, 16, 16)
        >>> discriminator_loss(Discriminator(2, num_classes=3, in_channels=1), maps, images, labeled=1) > 0
        tensor(True)
    """
    answers = discriminator(maps, images)
    origin = torch.full((len(maps),), UNLABELED, device=maps.device)
    origin[:labeled] = LABELED
    return functional.cross_entropy(promote(answers), origin)

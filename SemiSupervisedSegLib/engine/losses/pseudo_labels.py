"""Pseudo-labels and what is learned from them (CPS, CVPR 2021; FixMatch, Sohn et al., NeurIPS 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision


@full_precision
def confident_classes(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Return the likeliest class of each voxel, and 1 where its probability reaches a threshold (FixMatch, equation 4).

    Args:
        logits: Logits (B, C, *spatial).
        threshold: Smallest probability tau of a pseudo-label.

    Returns:
        Class indices (B, *spatial) and a mask (B, *spatial) of 0 and 1.

    Examples:
        >>> confident_classes(torch.tensor([[[0.0, 0.0], [0.1, 5.0]]]), threshold=0.95)
        (tensor([[1, 1]]), tensor([[0., 1.]]))
    """
    confidence, classes = logits.softmax(dim=1).max(dim=1)
    return classes, (confidence >= threshold).to(logits.dtype)


@full_precision
def confident_cross_entropy(logits: Tensor, classes: Tensor, confident: Tensor) -> Tensor:
    """Return mean 1(max q >= tau) CE(p, argmax q) over all voxels, also the doubtful ones (FixMatch, equation 4).

    So pseudo-labels count the more, the more of them there are.

    Args:
        logits: Logits (B, C, *spatial) of the strong views.
        classes: Pseudo-labels (B, *spatial) of the weak views.
        confident: Mask (B, *spatial) of 0 and 1.

    Examples:
        >>> confident_cross_entropy(torch.zeros(1, 2, 2), torch.tensor([[0, 1]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.3466)
    """
    return (confident * functional.cross_entropy(logits, classes, reduction="none")).mean()


@full_precision
def background_where_doubtful(logits: Tensor, threshold: float) -> Tensor:
    """Return pseudo-labels (B, *spatial) that are background where no class stands out (benchmark of FixMatch, 2020).

    The public benchmark rescales the probabilities of a voxel to (p - min p) / max p and calls background what does not
    exceed the threshold, where the paper leaves such places out.

    Args:
        logits: Logits (B, C, *spatial).
        threshold: Largest rescaled probability that is doubtful.

    Examples:
        >>> background_where_doubtful(torch.tensor([[[0.0, 0.0], [0.1, 5.0]]]), threshold=0.8)
        tensor([[0, 1]])
    """
    lowest, highest = logits.softmax(dim=1).aminmax(dim=1)
    return torch.where((highest - lowest) / highest > threshold, logits.argmax(dim=1), 0)


@full_precision
def complementary_loss(weak_logits: Tensor, strong_logits: Tensor) -> Tensor:
    """Return the negative learning that the public benchmark adds to FixMatch (2020): voxels are not their least class.

    w^2 CE(1 - p, argmin q), with p and q of the strong and the weak views and 1 - p in the place of logits. w is 1
    minus the mean entropy, in units of ln N, of how a class's probability is distributed over the N voxels of an image.
    The gradient runs through w as well.

    Args:
        weak_logits: Logits (B, C, *spatial), constant.
        strong_logits: Logits (B, C, *spatial).

    Examples:
        >>> complementary_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)).abs() < 1e-6
        tensor(True)
    """
    probabilities = strong_logits.softmax(dim=1)
    over_space = strong_logits.log_softmax(dim=1).flatten(2).log_softmax(dim=2)
    entropy = -(over_space.exp() * over_space).sum(dim=2) / math.log(over_space.shape[2])
    weight = 1 - entropy.mean()
    return weight.square() * functional.cross_entropy(1 - probabilities, weak_logits.detach().argmin(dim=1))


@full_precision
def cross_pseudo_supervision(first: Tensor, second: Tensor) -> Tensor:
    """Return CE(z_1, argmax z_2) + CE(z_2, argmax z_1) (CPS, equation 2).

    Args:
        first: Logits z_1 (B, C, *spatial).
        second: Logits z_2 (B, C, *spatial).

    Examples:
        >>> zeros = torch.zeros(1, 2, 4)
        >>> cross_pseudo_supervision(zeros, zeros)
        tensor(1.3863)
    """
    # A maximum's place has no gradient, so neither network is moved towards being a better teacher.
    from_second = functional.cross_entropy(first, second.argmax(dim=1))
    return from_second + functional.cross_entropy(second, first.argmax(dim=1))

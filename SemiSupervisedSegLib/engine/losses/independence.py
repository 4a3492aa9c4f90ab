"""Dependence of the weights of two networks on each other (CauSSL, Miao et al., ICCV 2023)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..precision import full_precision

Kernels = tuple[Tensor, ...]


@full_precision
def kernel_dependence(kernels: Kernels, others: Kernels, maps: Kernels) -> Tensor:
    """Return how much the kernels of a network are linear combinations of another one's.

    The mean over layers of mean_i cos^2(w_i, (L v)_i), with filters w_i and v_i in rows: 0 is independent, 1 the same.
    The other kernels and the maps are constants.

    Args:
        kernels: Kernels w of each layer, (filters, ...).
        others: Kernels v of the same layers of the other network.
        maps: Map L (filters, filters) of each layer.

    Examples:
        >>> w, v = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        >>> kernel_dependence((w,), (v,), (torch.eye(2),)), kernel_dependence((w,), (v,), (torch.eye(2).flip(0),))
        (tensor(0.2500), tensor(0.7500))
    """
    layers = [
        functional.cosine_similarity(w.flatten(1), across.detach() @ v.detach().flatten(1), dim=1).square().mean()
        for w, v, across in zip(kernels, others, maps, strict=True)
    ]
    return torch.stack(layers).mean()

"""Agreement of two networks on what a voxel is like among remembered voxels (CAML, Gao et al., MICCAI 2023)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..precision import full_precision

TEMPERATURE = 0.1
EPSILON = 1e-8
CHUNK = 2**11
"""Features whose correlations with all remembered ones are in memory at once."""


@full_precision
def correlation_consistency(vanilla: Tensor, auxiliary: Tensor, memory: Tensor) -> Tensor:
    """Return -mean_i sum_m r'_im log r_im, r = softmax_m (f_i . M_m / 0.1) (CAML, omni-correlation consistency).

    r is the correlation of a feature of the vanilla network with all remembered features, r' that of the auxiliary one.
    Features are not normalised, and the gradient runs into both, as released.

    Args:
        vanilla: Features f (N, L).
        auxiliary: Features f' (N, L) of the same voxels.
        memory: Remembered features M (K, L), constant.

    Examples:
        >>> features, memory = torch.tensor([[1.0, 0.0]]), torch.eye(2)
        >>> correlation_consistency(features, features, memory) < correlation_consistency(features, -features, memory)
        tensor(True)
    """

    def of_chunk(*features: Tensor) -> Tensor:
        r, other = ((each @ memory.T / TEMPERATURE).softmax(dim=1) for each in features)
        return -(other * (r + EPSILON).log()).sum()

    chunks = zip(vanilla.split(CHUNK), auxiliary.split(CHUNK), strict=True)
    sums = [checkpoint(of_chunk, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks]
    return torch.stack(sums).sum() / len(vanilla)


@torch.no_grad()
@full_precision
def agreed_voxels(vanilla: Tensor, auxiliary: Tensor, most: int) -> list[Tensor]:
    """Return, for each class, the voxels in which two networks see it, as places in the flattened batch.

    Those are the ones of which the first network is surest, in falling order.

    Args:
        vanilla: Logits (B, C, *spatial) of the first network.
        auxiliary: Logits (B, C, *spatial) of the second one.
        most: Largest number of voxels of a class.

    Examples:
        >>> logits = torch.tensor([[[0.0, 5.0, 1.0], [3.0, 0.0, 4.0]]])
        >>> agreed_voxels(logits, logits, most=1)
        [tensor([1]), tensor([0])]
    """
    confidence, classes = (each.flatten() for each in vanilla.softmax(dim=1).max(dim=1))
    agreed = classes == auxiliary.argmax(dim=1).flatten()
    found = []
    for label in range(vanilla.shape[1]):
        places = (agreed & (classes == label)).nonzero()[:, 0]
        found.append(places[confidence[places].topk(min(most, len(places))).indices])
    return found

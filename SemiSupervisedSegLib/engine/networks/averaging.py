"""Averages of the weights of a network over training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def average_into(average: nn.Module, network: nn.Module, share: float, *, buffers: bool) -> None:
    """Move the weights of an averaged network towards those of another one: a <- a + share (w - a).

    Args:
        average: Network whose weights change.
        network: Network of the same layers.
        share: Share of the other network in the new average; 1 copies it.
        buffers: Whether the statistics of batch normalisation are averaged, too.

    Examples:
        >>> average, network = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.zeros_(average.weight), nn.init.ones_(network.weight)
        >>> average_into(average, network, 0.25, buffers=False)
        >>> average.weight.item()
        0.25
    """
    old, new = _averaged(average, buffers), _averaged(network, buffers)
    if share == 1:
        torch._foreach_copy_(old, new)
    else:
        torch._foreach_lerp_(old, new, share)


def _averaged(network: nn.Module, with_buffers: bool) -> list[Tensor]:
    statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    return [*network.parameters(), *(statistics if with_buffers else [])]

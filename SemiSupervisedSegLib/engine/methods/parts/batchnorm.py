"""Passes in which a network is left as it is: in evaluation mode, or with its batch statistics untouched.

Batch normalisation is that of Ioffe and Szegedy, ICML 2015.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Run a block with the network in evaluation mode, and put it back into the mode it was in.

    Examples:
        >>> network = nn.Dropout(0.5)
        >>> with eval_mode(network):
        ...     network.training
        False
        >>> network.training
        True
    """
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Run a block in which batch normalisation takes the statistics of the batch and does not remember them.

    Examples:
        >>> layer = nn.BatchNorm1d(1)
        >>> with frozen_statistics(layer):
        ...     _ = layer(torch.tensor([[3.0], [5.0]]))
        >>> layer.running_mean
        tensor([0.])
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


class RecomputeWithoutBatchNormUpdate:
    """A block that repeats a pass of a network: batch normalisation remembers the batch of the first pass only.

    Unlike in :func:`frozen_statistics` the layers do the same operations as before, which checkpointing relies on. It
    can be entered again and again, once for every backward pass.

    Args:
        network: Network of the pass.

    Examples:
        >>> layer = nn.BatchNorm1d(1)
        >>> with RecomputeWithoutBatchNormUpdate(layer):
        ...     _ = layer(torch.tensor([[3.0], [5.0]]))
        >>> layer.running_mean, int(layer.num_batches_tracked)
        (tensor([0.]), 0)
    """

    def __init__(self, network: nn.Module) -> None:
        self._layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        self._before: list[tuple[float | None, Tensor]] = []

    def __enter__(self) -> None:
        """Stop remembering."""
        self._before = [(layer.momentum, _batches_tracked(layer).clone()) for layer in self._layers]
        for layer in self._layers:
            layer.momentum = 0.0

    def __exit__(self, *error: object) -> None:
        """Restore the running statistics."""
        for layer, (momentum, count) in zip(self._layers, self._before, strict=True):
            layer.momentum = momentum
            _batches_tracked(layer).copy_(count)


def _batches_tracked(layer: _BatchNorm) -> Tensor:
    assert layer.num_batches_tracked is not None, "the networks' normalisations have running statistics"
    return layer.num_batches_tracked

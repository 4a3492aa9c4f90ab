"""Computations that are unsafe in half precision are done in float32, whatever the loop's autocast says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from .tensors import promote

P = ParamSpec("P")
R = TypeVar("R")


def _device_types(values: Iterable[object]) -> Iterator[str]:
    """Yield the device of every tensor among the values and in the named tuples among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value.device.type
        elif isinstance(value, tuple):
            yield from _device_types(value)


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function outside autocast, with half-precision tensor arguments promoted to float32.

    Mixed precision is safe for convolutions, not for sums over a volume (Micikevicius et al., ICLR 2018).

    Args:
        function: Function of tensors.

    Examples:
        >>> total = full_precision(torch.sum)
        >>> total(torch.ones(3, dtype=torch.float16)).dtype
        torch.float32
    """

    @functools.wraps(function)
    def promoted(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.autocast(next(_device_types(args)), enabled=False):
            return function(*map(promote, args), **{name: promote(value) for name, value in kwargs.items()})

    return promoted

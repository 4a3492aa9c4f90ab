"""Random numbers that are the same on every device, so that trainings on two devices can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_NEW = (torch.rand, torch.randn)
_LIKE = (torch.rand_like, torch.randn_like)
_IN_PLACE = (Tensor.normal_, Tensor.uniform_)


class SameRandomNumbers(TorchFunctionMode):
    """Draws random numbers on the processor and brings them to the device that they are for.

    Each device has generators of its own, which make other numbers of the same seed.
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in _NEW:
            device = kwargs.pop("device", None)
            return function(*args, **kwargs).to(device or "cpu")
        if function in _LIKE:
            return function(torch.empty_like(args[0], device="cpu"), *args[1:], **kwargs).to(args[0].device)
        if function in _IN_PLACE and args[0].device.type != "cpu":
            return args[0].copy_(_drawn(function, *args, **kwargs))
        return function(*args, **kwargs)


def _drawn(
    function: Callable[..., Tensor], like: Tensor, *args: Any, generator: torch.Generator | None = None, **kwargs: Any
) -> Tensor:
    if generator is not None:
        generator = torch.Generator().manual_seed(generator.initial_seed())
    return function(torch.empty_like(like, device="cpu"), *args, generator=generator, **kwargs)


def without_dropout(module: nn.Module) -> nn.Module:
    """Switch dropout off, whose masks each device draws in a way of its own."""
    for part in module.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
    return module

"""Loss values on their way to the log, without a wait for the device at each step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ...study.errors import UserError
from ..methods.method import Loss

INTERVAL = 10
"""Steps whose losses are averaged and fetched from the device together."""


class LossLog:
    """Sums the losses of some steps on the device and fetches their means at once."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def add(self, losses: Mapping[str, Loss]) -> None:
        """Take in the unweighted losses of one step."""
        for name, loss in losses.items():
            value = loss.value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def end_step(self) -> bool:
        """Count a step; True when it is time to fetch."""
        self._steps += 1
        return self._steps >= INTERVAL

    def fetch(self) -> dict[str, float]:
        """Return the mean of each loss since the last call.

        Raises:
            UserError: A loss is not finite, that is, the training has diverged.
        """
        values = (torch.stack(list(self._sums.values())) / self._steps).tolist()
        means = dict(zip(self._sums, values, strict=True))
        self._sums, self._steps = {}, 0
        diverged = [name for name, value in means.items() if not math.isfinite(value)]
        if diverged:
            raise diverged_error(f'the loss "{diverged[0]}"')
        return means


def diverged_error(what: str) -> UserError:
    """Return the error of a training in which something became infinite or not a number."""
    return UserError(
        f"The training has diverged: {what} is no longer a finite number.",
        'Lower "learning_rate", or set "precision" to "float32", and start a new round.',
    )

"""The average of the network that predicts, for steadier predictions than those of its last step."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..networks.averaging import average_into
from ..networks.base import SegmentationNetwork

POWER = 16.97
"""Makes the standard deviation of the averaged steps 5 % of their number so far."""


class AveragedNetwork:
    """An exponential moving average whose memory grows with the training (Karras et al., CVPR 2024, equation 127).

    After step t, counted from 1, it is b times itself and 1 - b times the network, with b = (1 - 1 / t)^(POWER + 1). It
    forgets the first steps of a short training as it does those of a long one. The running statistics of batch
    normalisation are averaged like weights: those of the last steps belong to other weights.

    Args:
        network: Network before the first step; it is copied.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)

    def update(self, network: SegmentationNetwork, step: int) -> None:
        """Average in a network after optimizer step ``step`` (from 0)."""
        average_into(self.network, network, 1 - (1 - 1 / (step + 1)) ** (POWER + 1), buffers=True)

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed training needs."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned; raises RuntimeError when it was another network's."""
        self.network.load_state_dict(state)

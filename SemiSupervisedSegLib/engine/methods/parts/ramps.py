"""Ramps of weights and thresholds over training (S. Laine and T. Aila, ICLR 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

BLOCK = 150
"""Iterations per unit of the ramp in the public benchmark code."""


def gaussian_ramp(step: int, length: int) -> float:
    """Return exp(-5 (1 - min(step, length) / length)^2), from 0.0067 at step 0 to 1 at the end.

    Args:
        step: Number of steps that were made.
        length: Length of the ramp in steps; without length the ramp is over.

    Examples:
        >>> [round(gaussian_ramp(step, 100), 4) for step in (0, 50, 100, 200)]
        [0.0067, 0.2865, 1.0, 1.0]
    """
    if length <= 0:
        return 1.0
    return math.exp(-5 * (1 - min(step, length) / length) ** 2)


def consistency_weight(step: int, total_steps: int, settings: Mapping[str, Any]) -> float:
    """Return lambda(t) = w_max times the Gaussian ramp (CPCL section III-A, CU2L equation 1).

    Args:
        step: Number of steps that were made.
        total_steps: Length of the training, which the ramp takes where ``ramp_steps`` is 0.
        settings: Settings of the catalogue. ``ramp_unit`` "block150" advances the ramp in blocks of 150 iterations, as
            released codes do.

    Examples:
        >>> settings = {"consistency_weight": 0.1, "ramp_steps": 0, "ramp_unit": "iteration"}
        >>> [round(consistency_weight(step, 1000, settings), 4) for step in (0, 500, 1000)]
        [0.0007, 0.0287, 0.1]
    """
    length = settings["ramp_steps"] or total_steps
    if settings["ramp_unit"] == "block150":
        step = step // BLOCK * BLOCK
    return settings["consistency_weight"] * gaussian_ramp(step, length)

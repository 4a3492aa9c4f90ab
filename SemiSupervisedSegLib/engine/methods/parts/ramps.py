"""Ramps of weights and thresholds over training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

BLOCK = 150
"""Iterations per unit of the ramp in the public benchmark code."""


def gaussian_ramp(step: int, length: int) -> float:
    """Return exp(-5 (1 - min(step, length) / length)^2), from 0.0067 at step 0 to 1 at ``length``."""
    if length <= 0:
        return 1.0
    return math.exp(-5 * (1 - min(step, length) / length) ** 2)


def consistency_weight(step: int, total_steps: int, settings: Mapping[str, Any]) -> float:
    """Return lambda(t) = w_max times the Gaussian ramp (CPCL section III-A, CU2L equation 1).

    ``ramp_steps`` 0 means the whole training; ``ramp_unit`` "block150" advances the ramp in blocks of 150
    iterations, as released codes do.
    """
    length = settings["ramp_steps"] or total_steps
    if settings["ramp_unit"] == "block150":
        step = step // BLOCK * BLOCK
    return settings["consistency_weight"] * gaussian_ramp(step, length)

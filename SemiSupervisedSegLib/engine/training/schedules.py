"""Learning-rate schedules: those of the papers, and the cosine with a linear warm-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

POLY_POWER = 0.9
STEP_LENGTH = 2500
STEP_FACTOR = 0.1
WARM_UP_SHARE = 0.05
"""Share of the steps in which the cosine schedule rises first."""


def learning_rate(step: int, total_steps: int, settings: Mapping[str, Any]) -> float:
    """Return the learning rate of a step (from 0).

    "poly" is lr0 (1 - t / T_max)^0.9 (CPCL, CU2L), "step" divides by 10 every 2,500 steps (AUA, SS-Net),
    "constant" keeps lr0. "cosine" rises to lr0 in a straight line and falls to 0 like lr0 (1 + cos(pi t / T)) / 2 from
    there on (Loshchilov and Hutter, ICLR 2017, without restarts).
    """
    initial = settings["learning_rate"]
    match settings["learning_rate_schedule"]:
        case "poly":
            return initial * (1 - step / total_steps) ** POLY_POWER
        case "step":
            return initial * STEP_FACTOR ** (step // STEP_LENGTH)
        case "cosine":
            return initial * _cosine(step, total_steps)
        case _:
            return initial


def _cosine(step: int, total_steps: int) -> float:
    warm_up = max(1, round(WARM_UP_SHARE * total_steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (total_steps - warm_up)))

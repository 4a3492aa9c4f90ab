"""Learning-rate schedules of the papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POLY_POWER = 0.9
STEP_LENGTH = 2500
STEP_FACTOR = 0.1


def learning_rate(step: int, total_steps: int, settings: Mapping[str, Any]) -> float:
    """Return the learning rate of a step (from 0).

    "poly" is lr0 (1 - t / T_max)^0.9 (CPCL, CU2L), "step" divides by 10 every 2,500 steps (AUA, SS-Net),
    "constant" keeps lr0.
    """
    initial = settings["learning_rate"]
    match settings["learning_rate_schedule"]:
        case "poly":
            return initial * (1 - step / total_steps) ** POLY_POWER
        case "step":
            return initial * STEP_FACTOR ** (step // STEP_LENGTH)
        case _:
            return initial

"""Draws of the labeled cases: which ones of a training list are labeled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def drawn(names: Sequence[str], draw: int) -> list[str]:
    """The list in the order in which its first entries are labeled: as it is for draw 0, else shuffled by the draw."""
    if not draw:
        return list(names)
    return [names[place] for place in np.random.default_rng(draw).permutation(len(names))]

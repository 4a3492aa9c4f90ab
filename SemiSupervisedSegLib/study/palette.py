"""Colours for structures that have none yet."""

from __future__ import annotations

# Distinct from each other and from grey images, also as thin outlines.
_COLORS = (
    (220, 60, 50),
    (70, 150, 230),
    (240, 180, 40),
    (90, 190, 90),
    (170, 100, 210),
    (60, 200, 200),
    (230, 120, 170),
    (150, 150, 60),
)


def default_color(index: int) -> tuple[int, int, int]:
    """The colour (red, green, blue from 0 to 255) of structure number `index`, counted from 0; repeats after eight."""
    return _COLORS[index % len(_COLORS)]

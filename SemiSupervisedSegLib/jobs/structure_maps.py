"""Files with the probability of one structure, which the worker writes beside those of all structures together."""

from __future__ import annotations

SHARES = 255
"""Probability 1 in such a file, whose values are whole numbers to take little place."""


def structure_map(index: int) -> str:
    """Return the name of the file for a structure by its class index."""
    return f"probability-{index}.nrrd"

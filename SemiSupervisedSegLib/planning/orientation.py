"""Anatomical directions of the axes of an image array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

import SimpleITK as sitk

Value = TypeVar("Value")


def triple(values: Iterable[Value]) -> tuple[Value, Value, Value]:
    """Return the three values of a vector, one for each axis, as a tuple; raises ValueError for another number."""
    first, second, third = values
    return first, second, third


def lps_axes(direction: Sequence[float]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return how an array (z, y, x) becomes LPS-oriented: its axes in their new order, and which of them flip then.

    The axes are only permuted and flipped, to the nearest anatomical ones; an oblique image stays oblique.

    Args:
        direction: Nine direction cosines in the order of SimpleITK.
    """
    return _lps_axes(tuple(direction))


# The panel asks many times a click for the same few, and the filter waits for the threads of SimpleITK each time.
@lru_cache(maxsize=256)
def _lps_axes(direction: tuple[float, ...]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    # SimpleITK's filter decides on a single voxel, so that oblique ties fall as they do in DICOMOrient.
    probe = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    probe.SetDirection(direction)
    orient = sitk.DICOMOrientImageFilter()
    orient.SetDesiredCoordinateOrientation("LPS")
    orient.Execute(probe)
    order, flips = orient.GetPermuteOrder(), orient.GetFlipAxes()
    z, y, x = (2 - order[axis] for axis in (2, 1, 0))
    return (z, y, x), (flips[2], flips[1], flips[0])

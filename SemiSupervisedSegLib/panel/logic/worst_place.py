"""The place in an image where a result needs review first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...study.images import read_image


def worst_place(path: Path) -> tuple[float, float, float] | None:
    """Return the place where a map is highest, as a point in the scene (RAS, mm); None where it is zero everywhere.

    Of the slice with the largest sum it is the voxel nearest to the centre of mass of those above half of the maximum.

    Args:
        path: File of a map, such as that of the disagreement of two predictions.

    Raises:
        UserError: The map cannot be read.
    """
    image = read_image(path)
    values = sitk.GetArrayViewFromImage(image)
    number = int(values.sum(axis=(1, 2), dtype=np.float64).argmax())
    high = np.argwhere(values[number] > values[number].max() / 2)
    if not len(high):
        return None
    row, column = high[np.linalg.norm(high - high.mean(axis=0), axis=1).argmin()]
    left, posterior, superior = image.TransformIndexToPhysicalPoint((int(column), int(row), number))
    return -left, -posterior, superior

"""Connected pieces of segmentations."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage


def largest_components(classes: np.ndarray, structures: Iterable[int]) -> np.ndarray:
    """Return class indices of any shape in which some structures keep only their largest piece (full connectivity).

    Args:
        classes: Class indices; they are not changed.
        structures: Classes that are one piece.
    """
    result = classes.copy()
    for index in structures:
        parts, count = ndimage.label(classes == index, structure=np.ones((3,) * classes.ndim))
        if count > 1:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            result[(parts > 0) & (parts != sizes.argmax())] = 0
    return result

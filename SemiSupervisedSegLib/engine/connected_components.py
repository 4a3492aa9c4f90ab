"""Connected pieces of segmentations."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def largest_components(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Return class indices of any shape in which every structure keeps only its largest piece (full connectivity)."""
    result = classes.copy()
    for index in range(1, num_classes):
        parts, count = ndimage.label(classes == index, structure=np.ones((3,) * classes.ndim))
        if count > 1:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            result[(parts > 0) & (parts != sizes.argmax())] = 0
    return result

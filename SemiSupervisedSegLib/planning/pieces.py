"""Which structures are one piece in all annotations, so that a segmentation with several is wrong about them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

# A few voxels beside a structure are slips of the pen.
_WHOLE_SHARE = 0.99


def pieces_of(classes: np.ndarray) -> dict[int, bool]:
    """Return of each structure in an annotation whether it is one piece, up to a hundredth of its voxels.

    Args:
        classes: Class indices (slices, rows, columns); voxels that touch, also at a corner, are of one piece.

    Examples:
        >>> pieces_of(np.array([[[1, 0, 2], [1, 0, 0], [0, 0, 2]]]))
        {1: True, 2: False}
    """
    boxes = ndimage.find_objects(classes)
    return {label: _is_whole(classes[box] == label) for label, box in enumerate(boxes, start=1) if box is not None}


def in_one_piece(annotations: Iterable[dict[int, bool]]) -> tuple[int, ...]:
    """Return the structures that are one piece wherever they were annotated.

    Args:
        annotations: What `pieces_of` returned for each annotation.

    Examples:
        >>> in_one_piece([{1: True, 2: True}, {2: False}, {3: True}])
        (1, 3)
    """
    found: dict[int, bool] = {}
    for pieces in annotations:
        for label, is_whole in pieces.items():
            found[label] = found.get(label, True) and is_whole
    return tuple(sorted(label for label, is_whole in found.items() if is_whole))


def piece_sizes(mask: np.ndarray) -> np.ndarray:
    """Return the number of voxels of each piece of a mask of any shape; voxels that touch at a corner are of one."""
    parts, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    return np.bincount(parts.ravel(), minlength=count + 1)[1:]


def _is_whole(mask: np.ndarray) -> bool:
    sizes = piece_sizes(mask)
    return bool(sizes.max() >= _WHOLE_SHARE * sizes.sum())

"""What a segmentation shows of itself that is rarely right: structures in several pieces, or cut off by the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ...jobs.results import Flag
from ...planning.pieces import piece_sizes

# Smaller pieces are specks, which nobody has to look for: shares of the volume of the structure.
_PIECE = 0.05


def quality_flags(classes: np.ndarray, names: Sequence[str]) -> dict[str, tuple[Flag, ...]]:
    """Return the flags of each structure that has any.

    Args:
        classes: Class indices (z, y, x): 0 background, i for `names[i - 1]`.
        names: Names of the structures.
    """
    boxes = ndimage.find_objects(classes, max_label=len(names))
    flags = {
        name: _flags(classes, index, box) for index, (name, box) in enumerate(zip(names, boxes, strict=True), start=1)
    }
    return {name: found for name, found in flags.items() if found}


def _flags(classes: np.ndarray, index: int, box: tuple[slice, ...] | None) -> tuple[Flag, ...]:
    if box is None:
        return ("empty",)
    flags: list[Flag] = []
    sizes = piece_sizes(classes[box] == index)
    if np.count_nonzero(sizes > _PIECE * sizes.sum()) > 1:
        flags.append("several_pieces")
    if any(part.start == 0 or part.stop == length for part, length in zip(box, classes.shape, strict=True)):
        flags.append("touches_border")
    return tuple(flags)

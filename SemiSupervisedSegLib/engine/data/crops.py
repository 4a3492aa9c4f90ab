"""Where a patch is cut out of a volume, and the cutting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor


def random_offset(shape: Sequence[int], patch: Sequence[int], generator: np.random.Generator) -> tuple[int, ...]:
    """Return where a random patch begins: any position inside the volume, centred where the volume is smaller.

    Args:
        shape: Voxels of the volume along each axis.
        patch: Voxels of the patch along each axis.
        generator: Generator of the position.
    """
    return tuple(
        int(generator.integers(size - side + 1)) if size > side else _centred(size, side)
        for size, side in zip(shape, patch, strict=True)
    )


def offset_near(
    voxel: Sequence[int], shape: Sequence[int], patch: Sequence[int], generator: np.random.Generator
) -> tuple[int, ...]:
    """Return where a patch begins that has a voxel in its middle half, or nearer to its edge at a volume's face.

    Args:
        voxel: Indices of the voxel along each axis.
        shape: Voxels of the volume along each axis.
        patch: Voxels of the patch along each axis.
        generator: Generator of the position.
    """
    offset = []
    for place, size, side in zip(voxel, shape, patch, strict=True):
        begin = int(place) - side // 2 + int(generator.integers(-(side // 4), side // 4 + 1))
        offset.append(min(max(begin, 0), size - side) if size > side else _centred(size, side))
    return tuple(offset)


def random_foreground(foreground: np.ndarray, generator: np.random.Generator) -> np.ndarray | None:
    """Draw an annotated voxel; every class that is present is equally likely, so that small structures are seen.

    Args:
        foreground: Annotated voxels (N, 4) with the columns class, slice, row, column.
        generator: Generator of the draw.

    Returns:
        Indices (slice, row, column) of the voxel, or None when there is none.
    """
    if len(foreground) == 0:
        return None
    of_class = foreground[foreground[:, 0] == generator.choice(np.unique(foreground[:, 0]))]
    return of_class[generator.integers(len(of_class)), 1:]


def copy_patch(target: Tensor, volume: Tensor, offset: Sequence[int], fill: float) -> None:
    """Copy the part of `volume` that begins at `offset` into `target`, with `fill` where it lies outside of it.

    Args:
        target: Patch (*patch) of any type, which is overwritten.
        volume: Volume (*shape) with as many dimensions.
        offset: Index of the patch's first voxel, negative where the patch begins outside.
        fill: Value outside of the volume.
    """
    inside, source = [], []
    for begin, side, size in zip(offset, target.shape, volume.shape, strict=True):
        low, high = max(begin, 0), min(begin + side, size)
        inside.append(slice(low - begin, high - begin))
        source.append(slice(low, high))
    part = target[tuple(inside)]
    if part.shape != target.shape:
        target.fill_(fill)
    part.copy_(volume[tuple(source)])


def _centred(size: int, side: int) -> int:
    return -((side - size) // 2)

"""Patches that are cut into cubes, squares in a slice, and put together again (MagicNet, Chen et al., CVPR 2023)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST = 2
"""Smallest side of a cube on the coarsest map of a network: maps of one voxel cannot be normalised by themselves."""


@dataclass(frozen=True)
class CubeGrid:
    """Places of cubes of equal size, in rows along each axis; the first axis varies slowest.

    Where the sides do not add up to the patch the last cube of a row moves inwards, and the common part belongs to it.

    Attributes:
        size: Size of the patch in voxels.
        sides: Sides of a cube in voxels.
    """

    size: tuple[int, ...]
    sides: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the number of cubes along each axis."""
        return tuple(math.ceil(length / side) for length, side in zip(self.size, self.sides, strict=True))

    def starts(self, axis: int) -> list[int]:
        """Return the first voxels of the cubes along an axis."""
        side, last = self.sides[axis], self.size[axis] - self.sides[axis]
        return [min(place * side, last) for place in range(self.counts[axis])]

    def extents(self, axis: int) -> list[int]:
        """Return how many voxels along an axis belong to each cube."""
        starts = [*self.starts(axis), self.size[axis]]
        return [after - before for before, after in itertools.pairwise(starts)]

    def cut(self, images: Tensor) -> Tensor:
        """Return the cubes (B * N, C, *sides) of images (B, C, *size), all of the first image first."""
        corners = itertools.product(*map(self.starts, range(len(self.size))))
        cubes = []
        for corner in corners:
            cube = images
            for axis, (start, side) in enumerate(zip(corner, self.sides, strict=True)):
                cube = cube.narrow(axis + 2, start, side)
            cubes.append(cube)
        return torch.stack(cubes, dim=1).flatten(0, 1)

    def join(self, cubes: Tensor) -> Tensor:
        """Return images (B, L, *size) of cubes (B * N, L, *sides) as :meth:`cut` returns them."""
        joined = cubes.unflatten(0, (-1, *self.counts))
        for axis in range(len(self.size)):
            along = axis - len(self.size)
            parts = [
                cube.narrow(along, 0, part) for cube, part in zip(joined.unbind(1), self.extents(axis), strict=True)
            ]
            joined = torch.cat(parts, dim=along)
        return joined

    def exchange(self, images: Tensor, order: Tensor) -> Tensor:
        """Return images (B, C, *size) of which each cube comes from the image of the batch that an order names.

        Args:
            images: Images or feature maps (B, C, *size).
            order: Places in the batch (B, *counts).
        """
        for axis in range(len(self.size)):
            extents = torch.tensor(self.extents(axis), device=order.device)
            order = order.repeat_interleave(extents, dim=axis + 1, output_size=self.size[axis])
        return images.gather(0, order.unsqueeze(1).expand_as(images))

    def random_orders(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Draw an order for :meth:`exchange`, a permutation of the batch at each place, and the order that undoes it.

        Args:
            images: Images (B, C, *size).
        """
        # Drawn on the CPU, so that no step waits for the device.
        order = torch.rand(len(images), *self.counts).argsort(dim=0)
        pair = torch.stack([order, order.argsort(dim=0)]).to(images.device, non_blocking=True)
        return pair[0], pair[1]


def cube_grid(size: Sequence[int], per_axis: int, multiple: int) -> CubeGrid:
    """Return the grid of the smallest cubes that a network can read and of which some along an axis fill a patch.

    Args:
        size: Size of the patch in voxels, multiples of ``multiple``.
        per_axis: Largest number of cubes along an axis.
        multiple: Number of voxels of which the network's coarsest map has one.

    Examples:
        >>> grid = cube_grid((96, 80), per_axis=3, multiple=16)
        >>> grid.sides, grid.counts, grid.starts(1), grid.extents(1)
        ((32, 32), (3, 3), [0, 32, 48], [32, 16, 32])
        >>> images = torch.rand(2, 1, 96, 80)
        >>> cubes = grid.cut(images)
        >>> cubes.shape, torch.equal(grid.join(cubes), images)
        (torch.Size([18, 1, 32, 32]), True)
        >>> order, back = grid.random_orders(images)
        >>> torch.equal(grid.exchange(grid.exchange(images, order), back), images)
        True
    """
    wanted = [math.ceil(length / per_axis / multiple) * multiple for length in size]
    sides = [min(length, max(side, SMALLEST * multiple)) for length, side in zip(size, wanted, strict=True)]
    return CubeGrid(tuple(size), tuple(sides))

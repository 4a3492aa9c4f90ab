"""Cubes of a patch: cutting and joining, exchanging and undoing it are inverse to each other."""

from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.methods.parts.cubes import cube_grid

SIZES = [(96, 96), (64, 80), (96, 96, 96), (16, 48, 80), (32, 80, 112)]


def test_the_published_cubes():
    grid = cube_grid((96, 96, 96), per_axis=3, multiple=16)
    assert (grid.sides, grid.counts) == ((32, 32, 32), (3, 3, 3))
    assert grid.starts(0) == [0, 32, 64]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("per_axis", [2, 3, 5])
def test_cubes_can_be_read_by_a_network_and_cover_the_patch(size, per_axis):
    grid = cube_grid(size, per_axis, multiple=16)
    for axis, (side, length) in enumerate(zip(grid.sides, size, strict=True)):
        assert side % 16 == 0
        assert side >= min(length, 32)
        assert grid.counts[axis] <= per_axis
        covered = [voxel for start in grid.starts(axis) for voxel in range(start, start + side)]
        assert sorted(set(covered)) == list(range(length))
        assert sum(grid.extents(axis)) == length


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("per_axis", [2, 3])
def test_both_ways_lead_back(size, per_axis):
    grid, images = cube_grid(size, per_axis, multiple=16), torch.rand(3, 2, *size)
    cubes = grid.cut(images)
    assert cubes.shape[2:] == grid.sides
    assert torch.equal(cubes[0], images[(0, slice(None), *[slice(0, side) for side in grid.sides])])
    assert torch.equal(grid.join(cubes), images)
    order, back = grid.random_orders(images)
    assert order.shape == (3, *grid.counts)
    mixed = grid.exchange(images, order)
    assert torch.equal(grid.exchange(mixed, back), images)
    assert torch.equal(mixed.sort(dim=0).values, images.sort(dim=0).values)


def test_every_place_has_an_order_of_its_own():
    grid, images = cube_grid((96, 96, 96), 3, 16), torch.zeros(4, 1, 96, 96, 96)
    order, _ = grid.random_orders(images)
    assert all(sorted(place) == [0, 1, 2, 3] for place in order.flatten(1).T.tolist())
    assert len(set(map(tuple, order.flatten(1).T.tolist()))) > 5


def test_gradients_go_to_the_cubes_that_voxels_come_from():
    grid = cube_grid((80,), per_axis=3, multiple=16)
    cubes = torch.zeros(3, 1, 32, requires_grad=True)
    grid.join(cubes).sum().backward()
    assert cubes.grad.sum(dim=2).flatten().tolist() == [32, 16, 32]

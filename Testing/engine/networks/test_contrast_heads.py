from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.contrast_heads import RegionHead, SliceHead, region, region_places
from SemiSupervisedSegLib.engine.networks.slice_grid import grid_means


def test_a_slice_has_the_same_vector_in_a_volume_as_alone():
    head, maps = SliceHead(6), torch.randn(2, 6, 3, 7, 9)
    alone = torch.stack([head(maps[:, :, place]) for place in range(3)], dim=1)
    torch.testing.assert_close(head(maps), alone.flatten(0, 1))
    assert alone.shape == (2, 3, 128)


@pytest.mark.parametrize("size", [(10, 15), (5, 5), (3, 12)])
def test_grid_means_are_those_of_adaptive_pooling(size):
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(grid_means(maps, 5), torch.nn.functional.adaptive_avg_pool2d(maps, 5))


def test_regions_lie_where_the_released_code_has_them():
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(40), indexing="ij")
    maps = (100 * rows + columns)[None, None]
    begins = [divmod(int(region(maps, place)[0, 0, 0, 0]), 100) for place in region_places(2)]
    grid = [(row, column) for row in (0, 22, 44) for column in (0, 18, 36)]
    assert begins == [*grid, (11, 9), (11, 27), (33, 9), (33, 27)]
    assert torch.equal(region(maps, (1.0, 0.5))[0, 0], 100 * rows[44:47, 18:21] + columns[44:47, 18:21])


@pytest.mark.parametrize(("size", "places"), [((12, 9), 13), ((4, 2), 13), ((8, 6, 7), 35), ((1, 8, 8), 35)])
def test_maps_of_any_size_have_regions(size, places):
    head = RegionHead(len(size), 4)
    maps = torch.randn(2, 4, *size, requires_grad=True)
    vectors = head(maps)
    assert vectors.shape == (2, places, 128)
    vectors.square().sum().backward()
    assert maps.grad.abs().max() > 0

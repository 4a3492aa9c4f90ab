from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.networks.boundary_heads import BoundaryHeads

from ..methods.toys import CHANNELS, toy_network
from ..reference import array


def block_means(image, side):
    """Means of an image over a grid whose cells cover it, as far as they reach into it."""
    for axis, size in enumerate(image.shape):
        cells = []
        for k in range(side):
            start, stop = k * size // side, -(-(k + 1) * size // side)
            cells.append(image.take(range(start, stop), axis=axis).mean(axis=axis))
        image = np.stack(cells, axis=axis)
    return image


@pytest.mark.parametrize("size", [(32, 24), (3, 32, 20)])
def test_every_slice_has_a_vector_of_its_own_distances(size):
    heads = BoundaryHeads(toy_network(len(size), 3)).double().eval()
    features = torch.randn(2, CHANNELS[0], *size, dtype=torch.float64)
    distances, slices = heads(features)
    assert distances.shape == (2, 2, *size)
    assert 0 < distances.abs().max() <= 1
    maps = array(distances) if len(size) == 2 else array(distances).transpose(0, 2, 1, 3, 4).reshape(6, 2, *size[1:])
    grids = np.stack([[block_means(structure, 16) for structure in each] for each in maps]).reshape(len(maps), -1)
    first, _, last = heads.projection
    hidden = np.maximum(grids @ array(first.weight).T + array(first.bias), 0)
    np.testing.assert_allclose(array(slices), hidden @ array(last.weight).T + array(last.bias), atol=1e-10)


def test_dropout_makes_two_views_of_the_same_features():
    heads, features = BoundaryHeads(toy_network(2, 2)), torch.randn(1, CHANNELS[0], 32, 24)
    assert not torch.equal(heads(features).distances, heads(features).distances)
    heads.eval()
    assert torch.equal(heads(features).distances, heads(features).distances)

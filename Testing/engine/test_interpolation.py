from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.interpolation import adjoint_upsample, upsample, upsampled_squared_norm

from . import reference
from .reference import array

SIZES = [
    ((3, 5), (12, 20)),
    ((4, 3), (13, 7)),
    ((1, 2), (5, 5)),
    ((6, 6), (6, 6)),
    ((6, 4), (6, 9)),
    ((2, 3, 2), (8, 9, 5)),
    ((1, 1, 1), (4, 4, 4)),
    ((3, 2, 4), (3, 4, 8)),
    ((2, 2, 2), (7, 11, 13)),
]


def explicit(maps, size):
    return functional.interpolate(maps, size=size, mode="bilinear" if len(size) == 2 else "trilinear")


@pytest.mark.parametrize(("coarse", "fine"), SIZES)
def test_upsampling_is_linear_interpolation_between_voxel_centres(coarse, fine):
    maps = torch.randn(2, 3, *coarse, dtype=torch.float64)
    np.testing.assert_allclose(array(upsample(maps, fine)), reference.upsample(array(maps), fine), atol=1e-12)


@pytest.mark.parametrize(("coarse", "fine"), SIZES)
def test_adjoint_pools_a_coarse_map_like_its_upsampled_form(coarse, fine):
    maps = torch.randn(2, 3, *coarse, dtype=torch.float64)
    weights = torch.rand(2, 4, *fine, dtype=torch.float64)
    pooled = torch.einsum("bcv,blv->bcl", adjoint_upsample(weights, coarse).flatten(2), maps.flatten(2))
    expected = np.einsum("bcv,blv->bcl", array(weights.flatten(2)), array(explicit(maps, fine).flatten(2)))
    np.testing.assert_allclose(array(pooled), expected, atol=1e-10)


@pytest.mark.parametrize(("coarse", "fine"), SIZES)
def test_adjoint_preserves_the_mass(coarse, fine):
    weights = torch.rand(2, 3, *fine)
    mass = adjoint_upsample(weights, coarse).flatten(2).sum(2)
    torch.testing.assert_close(mass, weights.flatten(2).sum(2), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("coarse", "fine"), SIZES)
def test_norm_equals_that_of_the_upsampled_map(coarse, fine):
    maps = torch.randn(2, 5, *coarse)
    expected = (reference.upsample(array(maps), fine) ** 2).sum(axis=1)
    np.testing.assert_allclose(array(upsampled_squared_norm(maps, fine)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("coarse", "fine"), SIZES)
def test_gradient_of_the_norm_equals_that_through_the_upsampled_map(coarse, fine):
    maps = torch.randn(2, 3, *coarse, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, *fine, dtype=torch.float64)
    (ours,) = torch.autograd.grad((weights * upsampled_squared_norm(maps, fine)).sum(), maps)
    (expected,) = torch.autograd.grad((weights * explicit(maps, fine).square().sum(1)).sum(), maps)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("coarse", "fine"), [((2, 3), (5, 4)), ((2, 1, 2), (3, 3, 5))])
def test_gradient_of_the_norm_by_finite_differences(coarse, fine):
    maps = torch.randn(1, 2, *coarse, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: upsampled_squared_norm(m, fine), maps)

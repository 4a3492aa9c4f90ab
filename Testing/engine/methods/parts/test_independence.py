"""The maps of CauSSL against Adam on the formula of the paper."""

from __future__ import annotations

import torch

from SemiSupervisedSegLib.engine.losses.independence import kernel_dependence
from SemiSupervisedSegLib.engine.methods.parts.independence import LinearMaps, kernels_of

SHAPES = [(6, 3, 3, 3), (4, 6, 3, 3), (2, 4, 1, 1)]


def kernels() -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES)


def test_maps_rise_as_by_adam_on_the_published_formula():
    w, v = kernels(), kernels()
    maps = LinearMaps(w).double()
    same = [matrix.clone().requires_grad_() for matrix in maps.matrices()]
    adam = torch.optim.Adam(same, lr=2e-2)
    for _ in range(2):
        maps.rise(w, v)
        for _ in range(60):
            rows = [
                (each.detach().flatten(1), (across @ other.detach().flatten(1)))
                for each, other, across in zip(w, v, same, strict=True)
            ]
            cosines = [(a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)) for a, b in rows]
            adam.zero_grad()
            (-sum((each * each).mean() for each in cosines) / 3).backward()
            adam.step()
    for found, expected in zip(maps.matrices(), same, strict=True):
        torch.testing.assert_close(found, expected.detach(), rtol=1e-6, atol=1e-9)
    assert all(kernel.grad is None for kernel in (*w, *v))


def test_dependence_reaches_the_first_kernels_only_and_is_high_for_combinations():
    w, v = kernels(), kernels()
    maps = LinearMaps(w).double()
    value = kernel_dependence(w, v, maps.matrices())
    value.backward()
    assert all(kernel.grad.abs().max() > 0 for kernel in w)
    assert all(kernel.grad is None for kernel in v)
    combined = tuple(
        torch.einsum("ij,j...->i...", across, other) for across, other in zip(maps.matrices(), v, strict=True)
    )
    torch.testing.assert_close(kernel_dependence(combined, v, maps.matrices()), torch.ones((), dtype=torch.float64))


def test_moments_are_part_of_the_state():
    w, v = kernels(), kernels()
    maps, copy = LinearMaps(w).double(), LinearMaps(w).double()
    maps.rise(w, v)
    copy.load_state_dict(maps.state_dict())
    maps.rise(w, v)
    copy.rise(w, v)
    assert torch.equal(maps.values, copy.values)


def test_kernels_are_those_of_convolutions():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ConvTranspose2d(4, 2, 2))
    assert [tuple(kernel.shape) for kernel in kernels_of(network)] == [(4, 1, 3, 3), (4, 2, 2, 2)]

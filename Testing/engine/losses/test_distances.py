from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.distances import (
    distance_regression,
    distances_to_masks,
    dual_task_consistency,
    signed_distance_maps,
    structure_dice_loss,
)

from .. import reference
from ..reference import array

SIZES = [(14, 11), (7, 8, 9)]
absents = pytest.mark.parametrize("absent", [1.0, 0.0])


def blobs(size: tuple[int, ...], classes: int) -> torch.Tensor:
    """Return labels (3, *size): scattered pieces, some of them at the edge; the last class is lacking in one image."""
    coarse = torch.randint(0, classes, (3, *(-(-side // 3) for side in size)))
    for axis, side in enumerate(size, start=1):
        coarse = coarse.repeat_interleave(3, dim=axis).narrow(axis, 0, side)
    coarse[1] = coarse[1].clamp(max=classes - 2)
    return coarse


@absents
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_maps_are_distances_to_the_nearest_voxel_of_the_other_side(size, classes, absent):
    labels = blobs(size, classes)
    expected = reference.distance_maps(labels.numpy(), classes, absent)
    maps = signed_distance_maps(labels, classes, absent=absent)
    assert maps.dtype == torch.float32
    np.testing.assert_allclose(array(maps), expected, atol=1e-6)


@pytest.mark.parametrize("radius", [2.5, 6.3])
def test_a_ball_is_negative_inside_zero_at_its_surface_and_fills_the_range(radius):
    axes = torch.meshgrid(*[torch.arange(21.0) - 10] * 3, indexing="ij")
    ball = sum(axis.square() for axis in axes).sqrt() <= radius
    signed = signed_distance_maps(ball.long()[None], 2)[0, 0]
    assert (signed[~ball] > 0).all()
    assert (signed[ball] <= 0).all()
    assert (signed.min(), signed.max()) == (-1, 1)
    assert signed[10, 10, 10] == -1
    assert signed[10, 10, 10 + int(radius)] == 0


@absents
def test_patches_without_boundary_have_a_value(absent):
    labels = torch.stack([torch.zeros(4, 5, dtype=torch.long), torch.full((4, 5), 2)])
    maps = signed_distance_maps(labels, 3, absent=absent)
    assert (maps[0] == absent).all()
    assert (maps[1, 0] == absent).all()
    assert (maps[1, 1] == -1).all()


def test_a_single_voxel_is_all_boundary():
    labels = torch.zeros(1, 5, 5, dtype=torch.long)
    labels[0, 2, 2] = 1
    signed = signed_distance_maps(labels, 2)[0, 0]
    assert signed[2, 2] == 0
    assert signed[0, 0] == 1
    assert torch.isfinite(signed).all()


@pytest.mark.parametrize("shape", [(2, 2, 8, 7), (1, 4, 3, 4, 5)])
def test_losses_are_the_published_formulas(shape):
    logits = 2 * torch.randn(shape, dtype=torch.float64)
    distances = 0.004 * torch.randn(shape, dtype=torch.float64)[:, 1:]
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]))
    p, z = reference.softmax(array(logits)), array(distances)
    masks = 1 / (1 + np.exp(1500 * z))
    np.testing.assert_allclose(array(distances_to_masks(distances)), masks, atol=1e-12)
    assert dual_task_consistency(logits, distances).item() == pytest.approx(np.mean((p[:, 1:] - masks) ** 2), abs=1e-12)
    expected = reference.dice(p, reference.indicators(labels.numpy(), shape[1]), first=1)
    assert structure_dice_loss(logits, labels).item() == pytest.approx(expected, abs=1e-10)
    target = torch.rand_like(distances)
    assert distance_regression(distances, target).item() == pytest.approx(np.mean((z - array(target)) ** 2), abs=1e-12)


def test_consistency_reaches_both_tasks():
    logits, distances = torch.randn(1, 3, 6, 6, requires_grad=True), torch.full((1, 2, 6, 6), 1e-3, requires_grad=True)
    dual_task_consistency(logits, distances).backward()
    assert logits.grad.abs().min() > 0
    assert distances.grad.abs().min() > 0

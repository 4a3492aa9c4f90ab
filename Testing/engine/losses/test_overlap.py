from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.overlap import (
    dice_loss,
    masked_cross_entropy,
    one_hot,
    region_slices,
    regional_dice_loss,
    sample_dice_loss,
    supervised_loss,
)

from .. import reference
from ..reference import array

SHAPES = [(2, 2, 12, 8), (3, 4, 7, 9), (2, 2, 6, 5, 4), (1, 4, 4, 6, 7)]


def example(shape, seed=0):
    """Return logits, labels and a mask of about two thirds."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator)
    labels = torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits, labels, (torch.rand(labels.shape, generator=generator) < 0.67).float()


def test_one_hot_marks_the_class_of_each_voxel():
    labels = torch.tensor([[[0, 2], [1, 2]]])
    assert one_hot(labels, 4).dtype == torch.float32
    np.testing.assert_array_equal(one_hot(labels, 4).numpy(), reference.indicators(labels.numpy(), 4))


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_dice(shape):
    logits, labels, _ = example(shape)
    ours = dice_loss(logits.softmax(1), one_hot(labels, shape[1]))
    expected = reference.dice(reference.softmax(array(logits)), reference.indicators(labels.numpy(), shape[1]))
    assert ours.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_linear_dice_of_the_foreground(shape):
    logits, labels, _ = example(shape)
    ours = dice_loss(logits.softmax(1), one_hot(labels, shape[1]), squared=False, include_background=False)
    target = reference.indicators(labels.numpy(), shape[1])
    expected = reference.dice(reference.softmax(array(logits)), target, power=1, first=1, epsilon=1e-8)
    assert ours.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_partial_dice_leaves_out_what_the_mask_leaves_out(shape):
    logits, labels, mask = example(shape)
    ours = dice_loss(logits.softmax(1), one_hot(labels, shape[1]), mask)
    target = reference.indicators(labels.numpy(), shape[1])
    expected = reference.dice(reference.softmax(array(logits)), target, mask.numpy())
    assert ours.item() == pytest.approx(expected, abs=1e-5)


def test_partial_dice_of_an_empty_mask_is_free_and_without_gradient():
    logits, labels, mask = example((2, 2, 8, 8))
    logits.requires_grad_()
    loss = dice_loss(logits.softmax(1), one_hot(labels, 2), torch.zeros_like(mask))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("mode", ["grid", "strips"])
@pytest.mark.parametrize("regions", [2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_regional_dice(shape, regions, mode, masked):
    logits, labels, mask = example(shape)
    ours = regional_dice_loss(
        logits.softmax(1), one_hot(labels, shape[1]), mask if masked else None, regions=regions, mode=mode
    )
    expected = reference.regional_dice(
        reference.softmax(array(logits)),
        reference.indicators(labels.numpy(), shape[1]),
        mask.numpy() if masked else None,
        regions,
        strips=mode == "strips",
    )
    assert ours.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["grid", "strips"])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_region_is_plain_dice(shape, mode):
    logits, labels, mask = example(shape)
    arguments = logits.softmax(1), one_hot(labels, shape[1]), mask
    assert regional_dice_loss(*arguments, regions=1, mode=mode).item() == dice_loss(*arguments).item()


@pytest.mark.parametrize(
    ("spatial", "mode", "count"),
    [((8, 8), "grid", 4), ((8, 8), "strips", 2), ((7, 9), "grid", 4), ((4, 4, 4), "grid", 8), ((4, 4, 4), "strips", 2)],
)
def test_two_regions_per_axis_cover_every_voxel_once(spatial, mode, count):
    seen = np.zeros(spatial, int)
    blocks = list(region_slices(spatial, 2, mode))
    for block in blocks:
        seen[block] += 1
    assert len(blocks) == count
    assert (seen == 1).all()


def test_last_block_of_an_odd_size_is_smaller():
    heights = [block[0].stop - block[0].start for block in region_slices((7, 4), 2, "strips")]
    assert heights == [4, 3]


@pytest.mark.parametrize("regions", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_supervised_loss_is_half_cross_entropy_and_half_dice(shape, regions):
    logits, labels, _ = example(shape)
    ours = supervised_loss(logits, labels, regions=regions)
    assert ours.item() == pytest.approx(reference.supervised(array(logits), labels.numpy(), regions), abs=1e-5)


def test_half_precision_logits_are_computed_in_float32():
    logits, labels, _ = example((2, 2, 8, 8))
    rounded = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ours = supervised_loss(rounded, labels, regions=2)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(reference.supervised(array(rounded), labels.numpy(), 2), abs=1e-5)


def test_nothing_under_the_mask_costs_nothing():
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(3, (2, 8, 8))
    nowhere = torch.zeros(2, 8, 8)
    assert masked_cross_entropy(logits, labels, nowhere) == 0
    target = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    assert sample_dice_loss(logits.softmax(dim=1), target, nowhere).item() == pytest.approx(0, abs=1e-6)

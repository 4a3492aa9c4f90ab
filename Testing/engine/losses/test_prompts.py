from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.prompts import (
    aggregate_foregrounds,
    foreground_agreement,
    foreground_probability,
    prompted_loss,
)

SIZES = [(5, 7), (4, 5, 6)]


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def dice_of(first: np.ndarray, second: np.ndarray) -> float:
    """One minus Dice with squared denominator, class by class over the whole batch."""
    losses = []
    for p, q in zip(np.moveaxis(first, 1, 0), np.moveaxis(second, 1, 0), strict=True):
        losses.append(1 - (2 * (p * q).sum() + 1e-5) / ((p**2).sum() + (q**2).sum() + 1e-5))
    return float(np.mean(losses))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_dice_and_cross_entropy_are_summed_over_what_is_known(size, classes, masked):
    logits, labels = torch.randn(3, classes, *size), torch.randint(0, classes, (3, *size))
    unknown = torch.rand(3, *size) < 0.3 if masked else None
    p = softmax(logits.double().numpy())
    target = np.moveaxis(np.eye(classes)[labels.numpy()], -1, 1)
    known = np.ones((3, 1, *size)) if unknown is None else (~unknown).numpy()[:, None].astype(float)
    entropy = -(np.log((p * target).sum(axis=1)) * known[:, 0]).sum() / known.sum()
    expected = entropy + dice_of(p * known, target * known)
    assert prompted_loss(logits, labels, unknown).item() == pytest.approx(expected, rel=1e-5)


def test_nothing_known_costs_nothing_and_trains_nothing():
    logits = torch.randn(2, 2, 4, 4, requires_grad=True)
    loss = prompted_loss(logits, torch.ones(2, 4, 4, dtype=torch.long), torch.ones(2, 4, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() == 0


def test_unknown_voxels_get_no_gradient():
    logits, unknown = torch.randn(2, 3, 6, 6, requires_grad=True), torch.rand(2, 6, 6) < 0.5
    prompted_loss(logits, torch.randint(0, 3, (2, 6, 6)), unknown).backward()
    assert (logits.grad.abs().sum(dim=1)[unknown] == 0).all()
    assert (logits.grad.abs().sum(dim=1)[~unknown] > 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_foreground_is_what_is_not_background(size):
    logits = torch.randn(2, 4, *size)
    np.testing.assert_allclose(
        foreground_probability(logits).numpy(), 1 - softmax(logits.double().numpy())[:, 0], rtol=1e-5
    )


def test_aggregation_takes_the_surest_task():
    maps = torch.rand(3, 2, 5, 5)
    np.testing.assert_array_equal(aggregate_foregrounds(maps).numpy(), maps.numpy().max(axis=0))
    weights = np.exp(10 * maps.double().numpy())
    expected = (weights * maps.double().numpy()).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(aggregate_foregrounds(maps, soft=True).numpy(), expected, rtol=1e-5)
    assert (aggregate_foregrounds(maps, soft=True) <= aggregate_foregrounds(maps) + 1e-6).all()


@pytest.mark.parametrize(("soft", "tasks"), [(False, 1), (True, 3)])
def test_the_maximum_trains_one_task_a_voxel_and_the_soft_one_all(soft, tasks):
    maps = torch.rand(3, 1, 4, 4, requires_grad=True)
    aggregate_foregrounds(maps, soft=soft).sum().backward()
    assert ((maps.grad != 0).sum(dim=0) == tasks).all()


@pytest.mark.parametrize("size", SIZES)
def test_agreement_is_dice_of_both_sides_and_zero_for_the_same_map(size):
    first, second = torch.rand(2, *size), torch.rand(2, *size)
    pair = [np.stack([1 - value, value], axis=1) for value in (first.double().numpy(), second.double().numpy())]
    assert foreground_agreement(first, second).item() == pytest.approx(dice_of(*pair), rel=1e-5)
    assert foreground_agreement(first, first).item() == pytest.approx(0, abs=1e-6)


def test_half_precision_is_promoted():
    logits, labels = torch.randn(2, 2, 4, 4).bfloat16(), torch.randint(0, 2, (2, 4, 4))
    assert prompted_loss(logits, labels).dtype == foreground_probability(logits).dtype == torch.float32

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.pseudo_labels import (
    background_where_doubtful,
    complementary_loss,
    confident_classes,
    confident_cross_entropy,
)

from .. import reference
from ..reference import array

SHAPES = [(2, 2, 8, 7), (3, 4, 3, 4, 5)]


def logits_of(shape):
    return 2 * torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_classes_are_confident_where_their_probability_reaches_the_threshold(shape):
    logits = logits_of(shape)
    p = reference.softmax(array(logits))
    classes, confident = confident_classes(logits, 0.7)
    assert 0 < confident.mean() < 1
    np.testing.assert_array_equal(classes.numpy(), p.argmax(axis=1))
    np.testing.assert_array_equal(confident.numpy(), p.max(axis=1) >= 0.7)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mean_runs_over_doubtful_voxels_too(shape):
    logits, other = logits_of(shape), logits_of(shape)
    classes, confident = confident_classes(other, 0.7)
    over_the_confident = reference.cross_entropy(array(logits), classes.numpy(), confident.numpy() > 0)
    ours = confident_cross_entropy(logits, classes, confident).item()
    assert ours == pytest.approx(over_the_confident * confident.mean().item(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_doubtful_places_are_background(shape):
    logits = logits_of(shape)
    p = reference.softmax(array(logits))
    scaled = (p - p.min(axis=1, keepdims=True)) / p.max(axis=1, keepdims=True)
    expected = (p * (scaled > 0.8)).argmax(axis=1)
    assert (expected != p.argmax(axis=1)).any()
    np.testing.assert_array_equal(background_where_doubtful(logits, 0.8).numpy(), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_voxels_learn_which_class_they_are_not(shape):
    weak, strong = logits_of(shape), logits_of(shape)
    p = reference.softmax(array(strong))
    entropies = []
    for b in range(shape[0]):
        for c in range(shape[1]):
            share = p[b, c] / p[b, c].sum()
            entropies.append(-(share * np.log(share)).sum() / math.log(share.size))
    least = reference.softmax(array(weak)).argmin(axis=1)
    expected = (1 - np.mean(entropies)) ** 2 * reference.cross_entropy(1 - p, least)
    assert complementary_loss(weak, strong).item() == pytest.approx(expected, rel=1e-10)


def test_only_the_strong_view_learns_which_class_it_is_not():
    weak, strong = (logits_of((1, 3, 4, 4)).requires_grad_() for _ in range(2))
    complementary_loss(weak, strong).backward()
    assert weak.grad is None and strong.grad.abs().max() > 0


def test_certain_predictions_without_a_class_have_a_finite_complementary_loss():
    logits = torch.tensor([1e4, -1e4]).view(1, 2, 1, 1).expand(1, 2, 4, 4).clone().requires_grad_()
    complementary_loss(logits, logits).backward()
    assert torch.isfinite(logits.grad).all()

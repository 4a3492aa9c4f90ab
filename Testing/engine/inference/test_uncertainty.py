from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.inference.uncertainty import disagreement, expected_dice, soft_disagreement, voxel_maps


def test_entropy_runs_from_sure_to_undecided():
    probabilities = np.zeros((4, 1, 1, 3), np.float32)
    probabilities[:, 0, 0, 0] = 0.25
    probabilities[2, 0, 0, 1] = 1
    probabilities[:2, 0, 0, 2] = 0.5
    maps = voxel_maps(iter(probabilities), 4)
    np.testing.assert_allclose(maps.uncertainty.ravel(), [1, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(maps.foreground.ravel(), [0.75, 1, 0.5], atol=1e-6)
    assert maps.classes.ravel().tolist() == [0, 2, 0]


def test_maps_agree_with_the_plain_formulas():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (3, 4, 5)).astype(np.float32)
    probabilities = np.moveaxis(probabilities, -1, 0)
    maps = voxel_maps(iter(probabilities), 3)
    assert np.array_equal(maps.classes, probabilities.argmax(0))
    entropy = -(probabilities * np.log(probabilities)).sum(0) / np.log(3)
    np.testing.assert_allclose(maps.uncertainty, entropy, rtol=1e-5)
    np.testing.assert_allclose(maps.foreground, 1 - probabilities[0], rtol=1e-5, atol=1e-6)
    assert (maps.classes.dtype, maps.foreground.dtype, maps.uncertainty.dtype) == (np.uint8, np.float32, np.float32)


def test_outside_of_the_field_is_sure_background():
    maps = voxel_maps(iter(np.zeros((2, 2, 2, 2), np.float32)), 2)
    assert not maps.classes.any()
    assert not maps.uncertainty.any()
    assert not maps.foreground.any()


def test_disagreement_of_two_maps():
    first, second = np.array([0, 1, 1, 2, 0, 0]), np.array([0, 1, 2, 2, 1, 0])
    result = disagreement(first, second, 4)
    assert result.mask.tolist() == [0, 0, 1, 0, 1, 0]
    assert result.dice == (pytest.approx(2 / 4), pytest.approx(2 / 3), 1.0)


def test_two_empty_maps_agree():
    result = disagreement(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), 2)
    assert result.dice == (1.0,)


def test_soft_disagreement_is_one_minus_the_mean_overlap_of_probabilities():
    random = np.random.default_rng(0)
    first, second = random.dirichlet(np.full(4, 0.5), (2, 300)).transpose(0, 2, 1)
    first[3] = second[3] = 0.005
    overlaps = []
    for p, q in zip(first[1:3], second[1:3], strict=True):
        p, q = np.where(p < 0.01, 0, p), np.where(q < 0.01, 0, q)
        overlaps.append((p + q - abs(p - q)).sum() / (p + q).sum())
    assert soft_disagreement(*map(torch.as_tensor, (first, second))) == pytest.approx(1 - np.mean(overlaps))


@pytest.mark.parametrize(("value", "other", "expected"), [(0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (0.4, 0.4, 0.0)])
def test_soft_disagreement_of_constant_maps(value, other, expected):
    first, second = (torch.stack([torch.full((3,), 1 - share), torch.full((3,), share)]) for share in (value, other))
    assert soft_disagreement(first, second) == pytest.approx(expected)


def test_expected_dice_is_that_of_annotations_drawn_from_the_probabilities():
    random = np.random.default_rng(0)
    probability = np.clip(random.normal(0.5, 0.6, 4000), 0, 1)
    segmentation = probability > 0.5
    drawn = random.random((400, 4000)) < probability
    overlaps = 2 * (drawn & segmentation).sum(axis=1) / (drawn.sum(axis=1) + segmentation.sum())
    (expected,) = expected_dice(torch.as_tensor(np.stack([1 - probability, probability])))
    assert expected == pytest.approx(overlaps.mean(), abs=2e-3)


def test_expected_dice_of_sure_missing_and_impossible_structures():
    probabilities = torch.zeros(4, 2, 3, 4)
    probabilities[1, 0] = 1.0
    probabilities[2, 1, :, :2] = 0.3
    probabilities[3] = 0.009
    probabilities[0] = 1 - probabilities[1:].sum(dim=0)
    sure, missing, impossible = expected_dice(probabilities)
    assert sure == 1.0
    assert missing == pytest.approx(1 / (6 * 0.3 + 1))
    assert impossible is None

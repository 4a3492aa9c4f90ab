from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses import gaussian_prototypes
from SemiSupervisedSegLib.engine.losses.gaussian_prototypes import (
    GaussianClasses,
    class_statistics,
    merge,
    prototype_contrast,
)
from SemiSupervisedSegLib.engine.methods.parts.banks import GaussianBank

from ..reference import array
from ..reference_aua import gaussian_contrast

SHAPES = [(2, (6, 5)), (4, (6, 5)), (2, (3, 4, 5)), (4, (3, 4, 5))]


def example(classes, size, batch=2, channels=5):
    """Return features whose classes differ in mean and in covariance, and their labels."""
    labels = torch.randint(classes, (batch, *size))
    features = (1 + labels.unsqueeze(1)) * torch.randn(batch, channels, *size) + 3 * labels.unsqueeze(1)
    features[:, 1] += 0.7 * features[:, 0]
    return features, labels


def rows(features, labels, label):
    """Return the features of the voxels of a class, one in a row, by a loop over voxels."""
    found = []
    for b, *voxel in np.ndindex(*labels.shape):
        if labels[(b, *voxel)] == label:
            found.append(array(features)[(b, slice(None), *voxel)])
    return np.array(found)


def assert_statistics(ours, points):
    """``points`` holds the rows of each class."""
    assert ours.counts.tolist() == [len(of_class) for of_class in points]
    for mean, covariance, of_class in zip(array(ours.means), array(ours.covariances), points, strict=True):
        if len(of_class):
            np.testing.assert_allclose(mean, of_class.mean(axis=0), atol=1e-5)
            np.testing.assert_allclose(covariance, np.cov(of_class.T, bias=True), atol=2e-5)


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_statistics_of_a_batch(classes, size):
    features, labels = example(classes, size)
    assert_statistics(
        class_statistics(features, labels, classes), [rows(features, labels, label) for label in range(classes)]
    )


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_merged_statistics_are_those_of_all_voxels_at_once(classes, size):
    """Batches of different sizes, one of them without a class that others have."""
    bank, points = GaussianBank(classes, 5), [[] for _ in range(classes)]
    for batch in (2, 1, 3, 2):
        features, labels = example(classes, size, batch)
        if batch == 1:
            labels[labels == classes - 1] = 0
        now = bank.update(features, labels)
        for label in range(classes):
            points[label].extend(rows(features, labels, label))
        assert_statistics(now, [np.array(of_class) for of_class in points])
    assert_statistics(bank.classes(), [np.array(of_class) for of_class in points])


def test_merging_does_not_depend_on_the_order():
    first, second = (class_statistics(*example(3, (5, 5), batch), 3) for batch in (1, 3))
    for ours, theirs in zip(merge(first, second), merge(second, first), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_voxel_alone_has_its_feature_and_no_spread():
    features, labels = example(2, (4, 4), batch=1)
    labels.zero_()
    labels[0, 2, 1] = 1
    ours = class_statistics(features, labels, 2)
    torch.testing.assert_close(ours.means[1], features[0, :, 2, 1])
    assert ours.covariances[1].abs().max() == 0


def test_the_bank_passes_over_a_batch_that_is_not_finite():
    bank = GaussianBank(2, 5)
    features, labels = example(2, (4, 4))
    before = bank.update(features, labels)
    features[0, 0, 0, 0] = math.inf
    assert all(torch.equal(a, b) for a, b in zip(bank.update(features, labels), before, strict=True))


def test_the_bank_is_constant_and_part_of_the_state():
    bank = GaussianBank(2, 5)
    features, labels = example(2, (4, 4))
    classes = bank.update(features.requires_grad_(), labels)
    assert not any(part.requires_grad for part in classes)
    other = GaussianBank(2, 5)
    other.load_state_dict(bank.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(other.classes(), classes, strict=True))


def flat(features, labels):
    return np.moveaxis(array(features), 1, -1).reshape(-1, features.shape[1]), labels.numpy().ravel()


@pytest.mark.parametrize("chunk", [11, 2**17])
@pytest.mark.parametrize("temperature", [100.0, 2.0])
@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_contrast_with_full_covariances(classes, size, temperature, chunk, monkeypatch):
    monkeypatch.setattr(gaussian_prototypes, "CHUNK", chunk)
    gaussians = class_statistics(*example(classes, size), classes)
    features, labels = example(classes, size)
    expected = gaussian_contrast(
        *flat(features, labels), array(gaussians.means), array(gaussians.covariances), temperature, range(classes)
    )
    ours = prototype_contrast(features, labels, gaussians, temperature).item()
    assert ours == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_released_contrast_lives_on_the_unit_sphere_and_anchors_structures_only(classes, size):
    gaussians = class_statistics(*example(classes, size), classes)
    features, labels = example(classes, size)
    points, truth = flat(features, labels)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    means = array(gaussians.means) / np.linalg.norm(array(gaussians.means), axis=1, keepdims=True)
    variances = np.stack([np.diag(covariance) for covariance in array(gaussians.covariances)])
    covariances = [np.diag(variance / np.linalg.norm(variance)) for variance in variances]
    expected = gaussian_contrast(points, truth, means, covariances, 0.5, range(1, classes))
    ours = prototype_contrast(
        features, labels, gaussians.on_the_sphere(), 0.5, unit_features=True, background_anchors=False
    )
    assert ours.item() == pytest.approx(expected, abs=1e-5)


def test_a_class_that_was_never_seen_is_no_answer_and_its_voxels_do_not_count():
    features, labels = example(4, (6, 5))
    seen = labels.clone()
    seen[seen == 2] = 0
    gaussians = class_statistics(features, seen, 4)
    points, truth = flat(features, labels)
    kept = [0, 1, 3]
    renamed = np.array([kept.index(label) if label in kept else -1 for label in truth])
    expected = gaussian_contrast(
        points, renamed, array(gaussians.means)[kept], array(gaussians.covariances)[kept], 5.0, range(3)
    )
    assert prototype_contrast(features, labels, gaussians, 5.0).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("scenario", ["one class known", "nothing known", "no anchor"])
def test_contrast_is_zero_where_there_is_nothing_to_learn(scenario):
    features, labels = example(2, (4, 4))
    gaussians = class_statistics(features, labels, 2)
    if scenario == "no anchor":
        labels.zero_()
    else:
        counts = torch.tensor([5.0 if scenario == "one class known" else 0.0, 0.0])
        gaussians = GaussianClasses(gaussians.means, gaussians.covariances, counts)
    features.requires_grad_()
    loss = prototype_contrast(features, labels, gaussians, 1.0, background_anchors=False)
    loss.backward()
    assert loss.item() == 0
    assert features.grad.abs().max() == 0


def test_the_published_temperature_teaches_next_to_nothing_on_the_unit_sphere():
    """The cross-entropy is pinned at ln 2 and the gradient is less than a hundredth of that at 0.5."""
    features, labels = example(2, (16, 16))
    gaussians = class_statistics(features, labels, 2).on_the_sphere()
    lengths = {}
    for temperature in (100.0, 0.5):
        leaf = features.clone().requires_grad_()
        loss = prototype_contrast(leaf, labels, gaussians, temperature, unit_features=True)
        loss.backward()
        lengths[temperature] = leaf.grad.norm().item()
        if temperature == 100.0:
            assert loss.item() == pytest.approx(math.log(2), abs=0.005)
    assert lengths[100.0] < lengths[0.5] / 100


def test_gradients_of_the_contrast_by_finite_differences(monkeypatch):
    monkeypatch.setattr(gaussian_prototypes, "CHUNK", 5)
    features, labels = example(3, (3, 2), channels=3)
    gaussians = GaussianClasses(*(part.double() for part in class_statistics(features, labels, 3)))
    leaf = features.double().requires_grad_()
    for unit in (False, True):
        assert torch.autograd.gradcheck(
            lambda x, unit=unit: prototype_contrast(x, labels, gaussians, 2.0, unit_features=unit), (leaf,)
        )


def test_statistics_and_contrast_are_in_float32_under_autocast():
    features, labels = example(2, (6, 6))
    rounded = features.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        gaussians = class_statistics(rounded, labels, 2)
        loss = prototype_contrast(rounded, labels, gaussians, 2.0)
    assert_statistics(gaussians, [rows(rounded, labels, label) for label in range(2)])
    expected = gaussian_contrast(
        *flat(rounded, labels), array(gaussians.means), array(gaussians.covariances), 2.0, range(2)
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert loss.dtype == torch.float32

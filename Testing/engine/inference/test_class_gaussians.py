"""Linear discriminant analysis of feature maps, against the textbook in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.inference import class_gaussians
from SemiSupervisedSegLib.engine.inference.class_gaussians import pool_class_gaussians
from SemiSupervisedSegLib.engine.inference.labeled_windows import LabeledGrid
from SemiSupervisedSegLib.engine.inference.prototype_classifiers import RIDGE, GaussianClassifier
from SemiSupervisedSegLib.engine.inference.sliding_window import predict_grid
from SemiSupervisedSegLib.engine.networks.output import NetworkOutput


class NoiseNetwork(torch.nn.Module):
    """Fixed random maps of two levels, with a mean that grows with the intensity."""

    def forward(self, images):
        generator = torch.Generator().manual_seed(images.shape[-1])
        pool = functional.avg_pool2d if images.ndim == 4 else functional.avg_pool3d
        noise = torch.randn(1, 3, *images.shape[2:], generator=generator) + 50
        full = noise + torch.tensor([1.0, -1.0, 0.5]).view(1, 3, *[1] * (images.ndim - 2)) * images
        half = pool(full[:, :2] * 2, 2)
        return NetworkOutput(torch.cat([1 - images, images, images - 9], dim=1), pool(half, 2), half, full)


def features_of(network, image, plan) -> np.ndarray:
    """All features of a volume of the size of its windows, as float64 rows."""
    images = torch.as_tensor(image)[:, None] if plan.dimensions == 2 else torch.as_tensor(image)[None, None]
    output = network(images)
    mode = "bilinear" if plan.dimensions == 2 else "trilinear"
    half = functional.interpolate(output.decoder_half.double(), size=images.shape[2:], mode=mode)
    return torch.cat([half, output.decoder_full.double()], dim=1).movedim(1, -1).reshape(-1, 5).numpy()


def cases_of(*seeds: int) -> list[LabeledGrid]:
    cases = []
    for seed in seeds:
        image = np.random.default_rng(seed).random((16, 16, 16), np.float32) + seed / 10
        cases.append(LabeledGrid(image, np.digitize(image, [0.5 + seed / 10, 0.9]).astype(np.uint8)))
    return cases


def textbook(points: list[np.ndarray], labels: list[np.ndarray], classes: int):
    """Means of case means, covariance weighted half by shares and half equally, and shares."""
    shares = np.mean([[np.mean(y == c) for c in range(classes)] for y in labels], axis=0)
    means = [
        np.mean([x[y == c].mean(axis=0) for x, y in zip(points, labels, strict=True) if (y == c).any()], axis=0)
        for c in range(classes)
    ]
    together, all_labels = np.concatenate(points), np.concatenate(labels)
    covariance = sum(
        (shares[c] + 1 / classes) / 2 * np.cov(together[all_labels == c].T, bias=True) for c in range(classes)
    )
    return np.stack(means), covariance, shares


@pytest.mark.parametrize("patch", [(16, 16), (16, 16, 16)])
def test_moments_and_probabilities_are_those_of_the_textbook(plan_of, patch):
    network, plan, cases = NoiseNetwork(), plan_of(patch, 3), cases_of(0, 1, 2)
    classifier = pool_class_gaussians(network, cases, plan, windows_at_once=3)
    points = [features_of(network, case.image, plan) for case in cases]
    means, covariance, shares = textbook(points, [case.labels.ravel() for case in cases], 3)
    np.testing.assert_allclose(classifier.means, means, rtol=1e-6)
    np.testing.assert_allclose(classifier.covariance, covariance, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(classifier.shares, shares, rtol=1e-9)

    covariance += RIDGE * np.trace(covariance) / 5 * np.eye(5)
    apart = points[0][:, None] - means
    distances = np.einsum("vcl,lm,vcm->vc", apart, np.linalg.inv(covariance), apart)
    expected = shares * np.exp(-distances / 2)
    expected /= expected.sum(axis=1, keepdims=True)
    prediction = predict_grid(network, cases[0].image, plan, classifier, overlap=0.0)
    np.testing.assert_allclose(prediction.prototype.reshape(3, -1).T, expected, atol=2e-4)


def test_many_voxels_are_taken_evenly_and_count_as_all(plan_of, monkeypatch):
    network, plan, cases = NoiseNetwork(), plan_of((16, 16, 16), 3), cases_of(0)
    full = pool_class_gaussians(network, cases, plan)
    monkeypatch.setattr(class_gaussians, "VOXELS", 700)
    some = pool_class_gaussians(network, cases, plan)
    assert torch.equal(some.shares, full.shares)
    assert not torch.equal(some.means, full.means)
    torch.testing.assert_close(some.means, full.means, atol=0.1, rtol=0)
    torch.testing.assert_close(some.covariance, full.covariance, atol=0.15, rtol=0)


def test_a_partial_case_counts_for_its_structures_and_a_background_without_the_others(intensity_network, plan_of):
    """The network sees class 1 where the image is bright, and the second case is annotated for class 2 only."""
    images = np.random.default_rng(4).random((2, 4, 16, 16), np.float32)
    labels = np.zeros((2, 4, 16, 16), np.uint8)
    labels[0, 1, 2:6], labels[0, 2, 3:5], labels[1, 1:3, 4:9, 4:9] = 1, 2, 2
    cases = [LabeledGrid(images[0], labels[0]), LabeledGrid(images[1], labels[1], (2,))]
    classifier = pool_class_gaussians(intensity_network, cases, plan_of((16, 16), 3), ("decoder_full",))
    counted = (labels[1] != 0) | (images[1] <= 0.5)
    of_first = (labels[0] == 1).mean()
    of_second = ((labels[0] == 2).mean() + (labels[1] == 2)[counted].mean()) / 2
    np.testing.assert_allclose(classifier.shares, [1 - of_first - of_second, of_first, of_second])
    background = np.mean([images[0][labels[0] == 0].mean(), images[1][(labels[1] == 0) & counted].mean()])
    np.testing.assert_allclose(classifier.means[0, 0], background, rtol=1e-6)


def test_an_absent_class_has_probability_zero_and_one_voxel_is_enough(intensity_network, plan_of):
    image = np.random.default_rng(0).random((2, 16, 16), np.float32)
    image[0, 3, 3] = 3.0
    labels = np.zeros((2, 16, 16), np.uint8)
    labels[0, 3, 3] = 2
    plan = plan_of((16, 16), 4)
    classifier = pool_class_gaussians(intensity_network, [LabeledGrid(image, labels)], plan, ("decoder_full",))
    assert classifier.valid.tolist() == [True, False, True, False]
    probabilities = predict_grid(intensity_network, image, plan, classifier).prototype
    assert torch.isfinite(probabilities).all()
    assert not probabilities[[1, 3]].any()
    assert np.array_equal(probabilities.argmax(0).numpy(), labels)


@pytest.mark.parametrize("values", [(0.0, 0.0), (0.0, 1.0)])
def test_features_without_variance_give_finite_probabilities(intensity_network, plan_of, values):
    """All covariances are zero, and with equal values the means are the same: only the shares remain."""
    labels = np.zeros((1, 16, 16), np.uint8)
    labels[0, :4] = 1
    image = np.where(labels, *reversed(values)).astype(np.float32)
    plan = plan_of((16, 16))
    classifier = pool_class_gaussians(intensity_network, [LabeledGrid(image, labels)], plan, ("decoder_full",))
    probabilities = predict_grid(intensity_network, image, plan, classifier).prototype
    if values[0] == values[1]:
        torch.testing.assert_close(probabilities[1], torch.full((1, 16, 16), 0.25))
    else:
        assert np.array_equal(probabilities.argmax(0).numpy(), labels)


def test_a_restricted_classifier_gives_the_other_classes_nothing():
    classifier = GaussianClassifier(
        ("decoder_full",),
        torch.tensor([True, True, True]),
        torch.eye(3, dtype=torch.float64),
        torch.eye(3, dtype=torch.float64),
        torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64),
    )
    maps = torch.randn(2, 3, 4, 4)
    output = NetworkOutput(maps, maps, maps, maps)
    everything = classifier.logits(output, (4, 4)).softmax(1)
    restricted = classifier.restricted(torch.tensor([True, False, True])).logits(output, (4, 4)).softmax(1)
    assert not restricted[:, 1].any()
    remaining = everything[:, [0, 2]] / everything[:, [0, 2]].sum(1, keepdim=True)
    torch.testing.assert_close(restricted[:, [0, 2]], remaining)


def test_no_case_is_an_error(intensity_network, plan_of):
    with pytest.raises(ValueError, match="at least one labeled case"):
        pool_class_gaussians(intensity_network, [], plan_of((16, 16)))

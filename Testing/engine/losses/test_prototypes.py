from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.overlap import one_hot
from SemiSupervisedSegLib.engine.losses.prototypes import (
    Prototypes,
    has_two_classes,
    image_mean_prototypes,
    pooled_prototypes,
    prototype_cross_entropy,
    prototype_logits,
    prototype_regularization,
)

from .. import reference
from ..reference import array

CASES = [(2, (3, 4), (12, 16)), (4, (4, 3), (13, 7)), (2, (2, 2, 3), (8, 8, 6)), (4, (3, 2, 2), (7, 5, 9))]
"""Classes, size of the features, size of the image."""


def example(classes, coarse, fine, batch=3, channels=6, seed=0):
    """Return features (B, L, *coarse), labels and logits of the image's size."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, *coarse, generator=generator)
    labels = torch.randint(classes, (batch, *fine), generator=generator)
    return features, labels, torch.randn(batch, classes, *fine, generator=generator)


@pytest.mark.parametrize("case", CASES)
def test_image_mean_prototypes(case):
    features, labels, _ = example(*case)
    ours = image_mean_prototypes(features, one_hot(labels, case[0]))
    expected, valid = reference.image_mean_prototypes(array(features), reference.indicators(labels.numpy(), case[0]))
    np.testing.assert_allclose(array(ours.vectors), expected, atol=1e-5)
    assert ours.valid.tolist() == valid.tolist() == [True] * case[0]


@pytest.mark.parametrize("case", CASES)
def test_images_without_a_class_do_not_dilute_its_prototype(case):
    features, labels, _ = example(*case)
    labels[0][labels[0] == 1] = 0
    ours = image_mean_prototypes(features, one_hot(labels, case[0]))
    alone = image_mean_prototypes(features[1:], one_hot(labels[1:], case[0]))
    expected, _ = reference.image_mean_prototypes(array(features), reference.indicators(labels.numpy(), case[0]))
    np.testing.assert_allclose(array(ours.vectors), expected, atol=1e-5)
    np.testing.assert_allclose(array(ours.vectors[1]), array(alone.vectors[1]), atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_confidence_weighted_prototypes_are_pooled_over_the_batch(case):
    features, _, logits = example(*case)
    weights = reference.confidence_weights(array(logits))
    ours = pooled_prototypes(features, torch.from_numpy(weights).float())
    expected, valid = reference.pooled_prototypes(array(features), weights)
    np.testing.assert_allclose(array(ours.vectors), expected, atol=1e-5)
    assert ours.valid.tolist() == valid.tolist()


@pytest.mark.parametrize("pool", [image_mean_prototypes, pooled_prototypes])
def test_an_absent_class_has_no_prototype(pool):
    features, labels, _ = example(4, (3, 4), (6, 8))
    labels[labels == 2] = 0
    prototypes = pool(features, one_hot(labels, 4))
    assert prototypes.valid.tolist() == [True, True, False, True]
    assert prototypes.vectors[2].abs().max() == 0


@pytest.mark.parametrize("pool", [image_mean_prototypes, pooled_prototypes])
def test_a_single_voxel_makes_a_prototype_of_its_own_feature(pool):
    features, labels, _ = example(2, (5, 5), (5, 5), batch=1)
    labels.zero_()
    labels[0, 3, 1] = 1
    torch.testing.assert_close(pool(features, one_hot(labels, 2)).vectors[1], features[0, :, 3, 1])


@pytest.mark.parametrize("case", CASES)
def test_prediction_is_the_softmax_of_scaled_cosines_on_the_upsampled_map(case):
    features, labels, _ = example(*case)
    prototypes = image_mean_prototypes(features, one_hot(labels, case[0]))
    logits = prototype_logits(features, prototypes, case[2], 20.0)
    expected = reference.similarity(array(features), array(prototypes.vectors), case[2], 20.0)
    np.testing.assert_allclose(array(logits), expected, atol=2e-5)
    np.testing.assert_allclose(array(logits.softmax(1)), reference.softmax(expected), atol=1e-5)


def test_alpha_20_is_temperature_005():
    """Features that lie on the prototypes themselves: cosine 1 and 0."""
    features = torch.eye(2).reshape(1, 2, 1, 2)
    prototypes = Prototypes(3 * torch.eye(2), torch.ones(2, dtype=torch.bool))
    probabilities = prototype_logits(features, prototypes, (1, 2), 1 / 0.05).softmax(1)
    certain = math.exp(20) / (math.exp(20) + 1)
    expected = torch.tensor([[certain, 1 - certain], [1 - certain, certain]])
    torch.testing.assert_close(probabilities[0, :, 0], expected)


def test_a_class_without_prototype_is_never_predicted():
    features, labels, _ = example(4, (3, 4), (6, 8))
    labels[labels == 2] = 0
    prototypes = image_mean_prototypes(features, one_hot(labels, 4))
    logits = prototype_logits(features, prototypes, (6, 8), 20.0)
    present = [0, 1, 3]
    expected = reference.similarity(array(features), array(prototypes.vectors[present]), (6, 8), 20.0)
    assert logits.softmax(1)[:, 2].max() == 0
    np.testing.assert_allclose(array(logits.softmax(1)[:, present]), reference.softmax(expected), atol=1e-5)


def test_gradients_of_prototypes_and_prediction_by_finite_differences():
    features, labels, _ = example(2, (2, 3), (5, 4), batch=2, channels=3)
    query = features.double().requires_grad_()
    support = (features + 1).double().requires_grad_()
    masks = one_hot(labels, 2).double()

    def prediction(query, support):
        return prototype_logits(query, image_mean_prototypes(support, masks), (5, 4), 2.0)

    assert torch.autograd.gradcheck(prediction, (query, support))


@pytest.mark.parametrize("case", CASES)
def test_backward_cross_entropy(case):
    features, labels, _ = example(*case)
    prototypes = image_mean_prototypes(features.flip(0), one_hot(labels, case[0]))
    logits = prototype_logits(features, prototypes, case[2], 20.0)
    expected = reference.cross_entropy(
        reference.similarity(array(features), array(prototypes.vectors), case[2], 20.0), labels.numpy()
    )
    assert prototype_cross_entropy(logits, labels, prototypes.valid).item() == pytest.approx(expected, abs=1e-5)


def test_backward_cross_entropy_leaves_out_voxels_of_classes_without_prototype():
    features, labels, _ = example(4, (3, 4), (6, 8))
    pseudo_labels = labels.flip(0).clone()
    pseudo_labels[pseudo_labels == 3] = 0
    prototypes = image_mean_prototypes(features, one_hot(pseudo_labels, 4))
    ours = prototype_cross_entropy(prototype_logits(features, prototypes, (6, 8), 20.0), labels, prototypes.valid)
    cosines = reference.similarity(array(features), array(prototypes.vectors[:3]), (6, 8), 20.0)
    labels = labels.numpy()
    assert ours.item() == pytest.approx(reference.cross_entropy(cosines, labels, labels != 3), abs=1e-5)


def test_backward_cross_entropy_is_zero_when_no_voxel_counts():
    features, labels, _ = example(2, (3, 4), (6, 8))
    prototypes = Prototypes(torch.ones(2, 6), torch.tensor([True, False]))
    features.requires_grad_()
    loss = prototype_cross_entropy(
        prototype_logits(features, prototypes, (6, 8), 20.0), torch.ones_like(labels), prototypes.valid
    )
    loss.backward()
    assert loss.item() == 0
    assert features.grad.abs().max() == 0


@pytest.mark.parametrize("valid", [[True, True], [True, False], [False, False], [False, True, True, False]])
def test_predictions_need_two_prototypes(valid):
    prototypes = Prototypes(torch.ones(len(valid), 3), torch.tensor(valid))
    assert has_two_classes(prototypes).item() == (1.0 if sum(valid) >= 2 else 0.0)


@pytest.mark.parametrize("classes", [2, 4])
def test_category_regularization(classes):
    vectors = torch.randn(3, classes, 8)
    ours = prototype_regularization(*(Prototypes(v, torch.ones(classes, dtype=torch.bool)) for v in vectors))
    assert ours.item() == pytest.approx(reference.prototype_regularization(*array(vectors)), abs=1e-5)


@pytest.mark.parametrize(("changed", "expected"), [(0, 0.25), (1, 0.75)])
def test_background_weighs_a_quarter_and_the_object_three_quarters(changed, expected):
    """Labeled and external prototypes differ by 1 in every channel, in one class only."""
    valid, zeros = torch.ones(2, dtype=torch.bool), torch.zeros(2, 5)
    moved = zeros.clone()
    moved[changed] = 1
    ours = prototype_regularization(Prototypes(moved, valid), Prototypes(zeros, valid), Prototypes(zeros, valid))
    assert ours.item() == pytest.approx(expected)


@pytest.mark.parametrize("without", [0, 1, 2])
def test_category_regularization_leaves_out_distances_to_a_prototype_that_a_set_lacks(without):
    vectors = torch.randn(3, 4, 8)
    valid = torch.ones(3, 4, dtype=torch.bool)
    valid[without, 2] = False
    ours = prototype_regularization(*(Prototypes(v, m) for v, m in zip(vectors, valid, strict=True)))
    # Without c_e both distances go; without c_l or c_u only its own does.
    vectors[without, 2] = vectors[2, 2]
    if without == 2:
        vectors[:, 2] = 0
    assert ours.item() == pytest.approx(reference.prototype_regularization(*array(vectors)), abs=1e-5)


def test_prototype_losses_are_computed_in_float32_under_autocast():
    features, labels, _ = example(2, (3, 4), (12, 16))
    rounded = features.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        prototypes = image_mean_prototypes(rounded, one_hot(labels, 2))
        logits = prototype_logits(rounded, prototypes, (12, 16), 20.0)
    vectors, _ = reference.image_mean_prototypes(array(rounded), reference.indicators(labels.numpy(), 2))
    assert logits.dtype == prototypes.vectors.dtype == torch.float32
    np.testing.assert_allclose(array(logits), reference.similarity(array(rounded), vectors, (12, 16), 20.0), atol=1e-4)

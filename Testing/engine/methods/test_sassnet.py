"""SASSNet against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import BEFORE_HEAD, EVERYTHING, MethodChecks
from .toys import MIDDLE, toy_batch, toy_method, values, weights

VARIANTS = {"paper": {}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "distances": BEFORE_HEAD, "adversarial": BEFORE_HEAD}


class TestSASSNet(MethodChecks):
    method, variants, trained = "sassnet", VARIANTS, TRAINED


def test_the_discriminator_judges_distances():
    method, batch = toy_method("sassnet", 2, 4), toy_batch(2, 4)
    seen = []
    method.discriminator.register_forward_hook(
        lambda module, inputs, output: seen.append((*inputs, array(output), module.training))
    )
    segmentation = values(method.losses(batch, MIDDLE))
    judged = values(method.discriminator_losses(batch, MIDDLE))

    (maps, images, answers, training), (both, all_images, all_answers, learning) = seen
    assert images is batch.unlabeled.images
    assert maps.shape == (2, 3, *images.shape[2:])
    assert maps.requires_grad
    assert not training, "judges without dropout"
    assert segmentation["adversarial"] == pytest.approx(reference.cross_entropy(answers, np.ones(2, int)), abs=1e-5)
    assert learning
    assert not both.requires_grad
    assert torch.equal(all_images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert judged["discriminator"] == pytest.approx(
        reference.cross_entropy(all_answers, np.array([1, 1, 0, 0])), abs=1e-5
    )
    assert method.student.training


def test_the_discriminator_sees_the_student_in_evaluation_mode():
    method, batch = toy_method("sassnet", 2, 3), toy_batch(2, 3)
    judged = []
    method.discriminator.register_forward_hook(lambda module, inputs, output: judged.append(inputs[0]))
    statistics = {name: value.clone() for name, value in method.student.named_buffers()}
    method.discriminator_losses(batch, MIDDLE)
    assert all(torch.equal(value, statistics[name]) for name, value in method.student.named_buffers())
    output = method.student.eval()(torch.cat([batch.labeled.images, batch.unlabeled.images]))
    np.testing.assert_allclose(array(judged[0]), array(method.distances(output)), atol=1e-6)


def test_the_two_optimizers_share_nothing():
    segmentation, discriminator = toy_method("sassnet").objectives()
    assert segmentation.optimizer == {}
    assert discriminator.optimizer["optimizer"] == "adam"
    assert not {id(p) for p in segmentation.module.parameters()} & {id(p) for p in discriminator.module.parameters()}


def test_the_weights_are_those_of_the_paper():
    found = weights("sassnet", TrainingStep(3000, 6000), 3)
    assert found == pytest.approx({"supervised": 1.0, "distances": 0.3, "adversarial": 0.01 * math.exp(-5 * 0.5**2)})

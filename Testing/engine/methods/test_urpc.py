"""URPC against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks, assert_learned_alone
from .toys import MIDDLE, SHAPES, in_float64, toy_batch, toy_method, values, weights

VARIANTS = {"paper": {}}
TRAINED = {"supervised": EVERYTHING, "pyramid_consistency": EVERYTHING}


class TestURPC(MethodChecks):
    method, variants, trained = "urpc", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape, monkeypatch):
    method, batch = in_float64(toy_method("urpc", *shape), toy_batch(*shape))
    passes = []
    monkeypatch.setattr(
        method, "scales", lambda images, scales=method.scales: passes.append(scales(images)) or passes[0]
    )
    losses = values(method.losses(batch, MIDDLE))
    answers, labels = [array(logits) for logits in passes[0]], batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(
            np.mean([reference.supervised(logits[:2], labels) for logits in answers]), abs=1e-10
        ),
        "pyramid_consistency": pytest.approx(
            reference.pyramid_consistency(np.stack([logits[2:] for logits in answers])), abs=1e-10
        ),
    }


def test_full_resolution_predicts_and_comes_last():
    method, batch = toy_method("urpc", 2, 3).eval(), toy_batch(2, 3)
    coarse, finest = method.scales(batch.unlabeled.images)
    np.testing.assert_allclose(array(finest), array(method.inference_network()(batch.unlabeled.images).logits))
    assert coarse.shape == finest.shape
    # Each pixel of half resolution is repeated.
    np.testing.assert_array_equal(array(coarse)[..., ::2, ::2], array(coarse)[..., 1::2, 1::2])


def test_each_scale_has_a_layer_of_its_own_that_both_losses_train():
    method, batch = toy_method("urpc", 2, 3), toy_batch(2, 3)
    for loss in method.losses(batch, MIDDLE).values():
        method.zero_grad()
        loss.value.backward(retain_graph=True)
        assert all(parameter.grad.abs().max() > 0 for parameter in method.pyramid.parameters())


def test_consistency_can_be_learned_alone():
    assert_learned_alone(toy_method("urpc", 2, 4), "pyramid_consistency", 0.5, MIDDLE)


def test_the_weight_follows_the_ramp():
    found = weights("urpc", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "pyramid_consistency": 0.1 * math.exp(-5 * 0.5**2)})

"""CPS against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import pytest
import torch

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
VARIANTS = {"paper": {}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "cross_pseudo": EVERYTHING}


class TestCPS(MethodChecks):
    method, variants, trained = "cps", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    method, batch = toy_method("cps", *shape), toy_batch(*shape)
    seen = []
    for network in (method.student, method.second):
        network.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], array(output.logits))))
    losses = values(method.losses(batch, MIDDLE))
    (images, first), (same_images, second) = seen
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(images, same_images)
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(
            reference.supervised(first[:2], labels) + reference.supervised(second[:2], labels), abs=1e-5
        ),
        "cross_pseudo": pytest.approx(
            reference.cross_entropy(first[2:], second[2:].argmax(axis=1))
            + reference.cross_entropy(second[2:], first[2:].argmax(axis=1)),
            abs=1e-5,
        ),
    }


def test_each_network_learns_from_the_other_and_they_start_apart():
    method, batch = toy_method("cps"), toy_batch()
    starts = [network.encoder.stages[0][0].weight for network in (method.student, method.second)]
    assert not torch.equal(*starts)
    method.losses(batch, MIDDLE)["cross_pseudo"].value.backward()
    assert all(weight.grad.abs().max() > 0 for weight in starts)


@pytest.mark.parametrize(
    ("dimensions", "fidelity", "gains"),
    [
        (2, "paper", (None, "kaiming")),
        (3, "paper", (None, "kaiming")),
        (2, "released_code", (None, None)),
        (3, "released_code", ("kaiming", "xavier")),
    ],
)
def test_kernels_are_drawn_as_released(dimensions, fidelity, gains):
    """The variance of a kernel is 2 / fan-in (Kaiming), 2 / (fan-in + fan-out) (Xavier), else 1 / (3 fan-in)."""
    method = toy_method("cps", dimensions, fidelity=fidelity)
    for network, gain in zip((method.student, method.second), gains, strict=True):
        weight = network.encoder.stages[2][0].weight
        voxels = weight[0, 0].numel()
        fan_in, fan_out = weight.shape[1] * voxels, weight.shape[0] * voxels
        expected = {None: 1 / (3 * fan_in), "kaiming": 2 / fan_in, "xavier": 2 / (fan_in + fan_out)}[gain]
        assert weight.var().item() == pytest.approx(expected, rel=0.15)


def test_the_weight_follows_the_ramp():
    found = weights("cps", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "cross_pseudo": 0.1 * RAMP})

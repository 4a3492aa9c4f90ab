"""CauSSL against its formulas in float64, when its parts begin, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks, assert_learned_alone
from .toys import MIDDLE, SHAPES, in_float64, toy_batch, toy_method, values, weights

# From the first step on, so that short trainings have all of it.
AT_ONCE = {"consistency_start": 0, "independence_start": 0}
VARIANTS = {"paper": AT_ONCE, "released_code": {**AT_ONCE, "fidelity": "released_code"}}
TRAINED = dict.fromkeys(("supervised", "cross_pseudo", "dependence"), EVERYTHING)


class TestCauSSL(MethodChecks):
    method, variants, trained = "caussl", VARIANTS, TRAINED


def dependence(network, other, maps):
    layers = []
    pairs = [(w, v) for w, v in zip(network.parameters(), other.parameters(), strict=True) if w.dim() > 2]
    for (w, v), across in zip(pairs, maps, strict=True):
        rows, combined = array(w.flatten(1)), array(across) @ array(v.flatten(1))
        cosines = [x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) for x, y in zip(rows, combined, strict=True)]
        layers.append(np.mean(np.square(cosines)))
    return float(np.mean(layers))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape, variant):
    method, batch = in_float64(toy_method("caussl", *shape, **VARIANTS[variant]), toy_batch(*shape))
    seen = []
    for network in (method.student, method.second):
        network.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], array(output.logits))))
    losses = values(method.losses(batch, MIDDLE))
    (images, first), (same_images, second) = seen
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(images, same_images)
    labels, start = batch.labeled.labels.numpy(), 1 if variant == "released_code" else 0
    target = reference.indicators(labels, shape[1])
    supervised = sum(
        0.5
        * (reference.cross_entropy(each[:2], labels) + reference.dice(reference.softmax(each[:2]), target, first=start))
        for each in (first, second)
    )
    assert losses == {
        "supervised": pytest.approx(supervised, abs=1e-10),
        "cross_pseudo": pytest.approx(
            reference.cross_entropy(first[2:], second[2:].argmax(axis=1))
            + reference.cross_entropy(second[2:], first[2:].argmax(axis=1)),
            abs=1e-10,
        ),
        "dependence": pytest.approx(
            dependence(method.student, method.second, method.maps.matrices())
            + dependence(method.second, method.student, method.second_maps.matrices()),
            abs=1e-10,
        ),
    }


def test_each_network_becomes_independent_of_the_other():
    method, batch = toy_method("caussl"), toy_batch()
    for name in ("dependence", "cross_pseudo"):
        method.zero_grad()
        method.losses(batch, MIDDLE)[name].value.backward()
        for network in (method.student, method.second):
            assert all(p.grad.abs().max() > 0 for p in network.parameters() if p.dim() > 2)
    assert not torch.equal(method.student.head.weight, method.second.head.weight)


def test_independence_can_be_learned_alone():
    method = toy_method("caussl", 2, 4, independence_start=0)
    method.losses(toy_batch(2, 4), TrainingStep(0, 1000))
    assert_learned_alone(method, "dependence", 0.5, MIDDLE)


def test_maps_rise_every_sixty_steps_from_the_start_on():
    method, batch = toy_method("caussl", independence_start=30), toy_batch()
    changed = []
    for index in (0, 29, 30, 31, 60, 89, 90, 91, 150):
        before = method.maps.values.clone(), method.second_maps.values.clone()
        method.losses(batch, TrainingStep(index, 1000))
        changes = [
            not torch.equal(*pair) for pair in zip(before, (method.maps.values, method.second_maps.values), strict=True)
        ]
        assert changes[0] == changes[1]
        changed += [index] if changes[0] else []
    assert changed == [30, 90, 150]


@pytest.mark.parametrize(("index", "parts"), [(400, (0, 0)), (401, (1, 0)), (539, (1, 0)), (540, (1, 3.0))])
def test_the_parts_begin_as_released(index, parts):
    found = weights("caussl", TrainingStep(index, 5000), ramp_unit="iteration")
    ramp = 0.03 * math.exp(-5 * (1 - index / 6000) ** 2)
    expected = {"supervised": 1.0, "cross_pseudo": parts[0] * ramp, "dependence": parts[1]}
    assert found == pytest.approx(expected)

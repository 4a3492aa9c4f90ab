"""DTML against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import EVERYTHING, NOTHING, MethodChecks
from .toys import MIDDLE, SHAPES, in_float64, toy_batch, toy_method, values, weights

VARIANTS = {"paper": {}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "distances": NOTHING, "mutual": EVERYTHING}


class TestDTML(MethodChecks):
    method, variants, trained = "dtml", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    method, batch = in_float64(toy_method("dtml", *shape), toy_batch(*shape))
    answers = []
    for network in (method.student, method.second):
        network.register_forward_hook(lambda _, inputs, output: answers.append((inputs[0], array(output.logits))))
    losses = values(method.losses(batch, MIDDLE))
    (seen, logits), (also_seen, z) = answers
    assert torch.equal(seen, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(seen, also_seen)
    assert z.shape[1] == shape[1] - 1
    p, labels = reference.softmax(logits), batch.labeled.labels.numpy()
    y, masks = reference.indicators(labels, shape[1]), reference.masks(z)
    dice = reference.dice(p[:2], y, first=1)
    assert losses == {
        "supervised": pytest.approx(0.5 * (reference.cross_entropy(logits[:2], labels) + dice), abs=1e-10),
        "distances": pytest.approx(reference.dice(masks[:2], y[:, 1:]), abs=1e-10),
        "mutual": pytest.approx(np.mean((p[:, 1:] - masks) ** 2), abs=1e-10),
    }


def test_each_network_learns_from_its_own_annotations_and_from_the_other():
    method, batch = toy_method("dtml", 2, 3), toy_batch(2, 3)
    # Around 0 the step from distances to masks has a gradient.
    with torch.no_grad():
        method.second.head[0].weight.mul_(1e-3)
        method.second.head[0].bias.zero_()
    reached = {}
    for name, loss in method.losses(batch, MIDDLE).items():
        method.zero_grad()
        loss.value.backward(retain_graph=True)
        networks = (method.student, method.second)
        gradients = [[p.grad.abs().max().item() for p in each.parameters() if p.grad is not None] for each in networks]
        reached[name] = tuple(any(value > 0 for value in each) for each in gradients)
    assert reached == {"supervised": (True, False), "distances": (False, True), "mutual": (True, True)}


def test_the_networks_differ_and_the_first_predicts():
    method = toy_method("dtml", 2, 3)
    first, second = (next(network.parameters()) for network in (method.student, method.second))
    assert not torch.equal(first, second)
    assert method.inference_network() is method.student


@pytest.mark.parametrize(("fidelity", "count"), [("paper", 1), ("released_code", 2)])
def test_the_weights_are_those_of_the_paper_and_of_the_code(fidelity, count):
    found = weights("dtml", TrainingStep(3000, 6000), 3, fidelity=fidelity)
    ramp = math.exp(-5 * 0.5**2)
    assert found == pytest.approx({"supervised": 1.0, "distances": 1.0, "mutual": count * ramp})

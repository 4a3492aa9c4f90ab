"""DTC against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import BEFORE_HEAD, EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, run, toy_batch, toy_method, values, weights

VARIANTS = {"paper": {}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "distances": BEFORE_HEAD, "dual_task": EVERYTHING}


class TestDTC(MethodChecks):
    method, variants, trained = "dtc", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_the_consistency_is_of_all_images(shape):
    losses, _, recorder, method = run("dtc", shape)
    ((_, output),) = recorder.student
    p, masks = reference.softmax(array(output.logits)), reference.masks(array(method.distances(output)))
    assert losses["dual_task"] == pytest.approx(np.mean((masks - p[:, 1:]) ** 2), abs=1e-10)


@pytest.mark.parametrize(("variant", "value"), [("paper", 1.0), ("released_code", 0.0)])
def test_distances_where_a_structure_is_absent(variant, value, monkeypatch):
    method, batch = toy_method("dtc", 2, 3, **VARIANTS[variant]), toy_batch(2, 3)
    monkeypatch.setattr(method, "distances", lambda output: torch.full_like(output.logits[:, 1:], value))
    batch.labeled.labels.zero_()
    assert values(method.losses(batch, MIDDLE))["distances"] == 0


def test_the_second_head_learns_from_distances_and_consistency_only():
    method, batch = toy_method("dtc", 2, 3), toy_batch(2, 3)
    # Around 0 the step from distances to masks has a gradient.
    with torch.no_grad():
        method.distance_head[0].weight.mul_(1e-3)
        method.distance_head[0].bias.zero_()
    reached = {}
    for name, loss in method.losses(batch, MIDDLE).items():
        method.zero_grad()
        loss.value.backward(retain_graph=True)
        gradient = method.distance_head[0].weight.grad
        reached[name] = gradient is not None and gradient.abs().max().item() > 0
    assert reached == {"supervised": False, "distances": True, "dual_task": True}


def test_the_weights_are_those_of_the_paper():
    found = weights("dtc", TrainingStep(3000, 6000), 3)
    assert found == pytest.approx({"supervised": 1.0, "distances": 0.3, "dual_task": math.exp(-5 * 0.5**2)})


@pytest.mark.parametrize(("index", "blocks"), [(149, 0), (150, 1)])
def test_the_released_code_advances_in_blocks(index, blocks):
    found = weights("dtc", TrainingStep(index, 9000), 3, fidelity="released_code")
    assert found["dual_task"] == pytest.approx(math.exp(-5 * (1 - blocks * 150 / 6000) ** 2))

"""Entropy minimisation against its formula in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks, assert_learned_alone
from .toys import MIDDLE, SHAPES, run, toy_method, weights

VARIANTS = {"paper": {}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "entropy": EVERYTHING}


class TestEntropyMinimization(MethodChecks):
    method, variants, trained = "ent_min", VARIANTS, TRAINED


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape, variant):
    losses, batch, recorder, _ = run("ent_min", shape, **VARIANTS[variant])
    ((images, output),) = recorder.student
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    logits = array(output.logits)
    p = reference.softmax(logits if variant == "released_code" else logits[2:])
    assert losses == {
        "supervised": pytest.approx(reference.supervised(logits[:2], batch.labeled.labels.numpy()), abs=1e-5),
        "entropy": pytest.approx(-(p * np.log(p + 1e-6)).sum(axis=1).mean() / math.log(shape[1]), abs=1e-5),
    }


def test_entropy_can_be_learned_alone():
    assert_learned_alone(toy_method("ent_min", 2, 4), "entropy", 0.5, MIDDLE)


def test_the_weight_follows_the_ramp():
    found = weights("ent_min", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "entropy": 0.1 * math.exp(-5 * 0.5**2)})

"""UA-MT against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import EVERYTHING, NOTHING, TeacherStudentChecks
from .toys import MIDDLE, SHAPES, assert_noise, run, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
THREE_PASSES = {"stochastic_passes": 3}
VARIANTS = {"paper": THREE_PASSES, "released_code": {"fidelity": "released_code", **THREE_PASSES}}
TRAINED = {"supervised": EVERYTHING, "consistency": EVERYTHING, "certain_share": NOTHING}


class TestUAMT(TeacherStudentChecks):
    method, variants, trained = "ua_mt", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, recorder, _ = run("ua_mt", shape, **THREE_PASSES)
    ((_, student),), (*passes, (images, _)) = recorder.student, recorder.teacher
    # The target comes first, then the answers from which the uncertainty is taken.
    target, stochastic = passes[0][1], [*(output for _, output in passes[1:]), recorder.teacher[-1][1]]
    assert len(stochastic) == 3
    assert_noise(images, batch.unlabeled.images)
    mean = np.mean([reference.softmax(array(output.logits)) for output in stochastic], axis=0)
    entropy = -(mean * np.log(mean + 1e-6)).sum(axis=1)
    certain = entropy < (0.75 + 0.25 * RAMP) * math.log(shape[1])
    squares = (reference.softmax(array(student.logits)[2:]) - reference.softmax(array(target.logits))) ** 2
    expected = (certain[:, None] * squares).sum() / (shape[1] * certain.sum() + 1e-16)
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(student.logits)[:2], labels), abs=1e-5),
        "consistency": pytest.approx(expected, abs=1e-5),
        "certain_share": pytest.approx(certain.mean(), abs=1e-5),
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_the_released_code(shape):
    losses, batch, recorder, _ = run("ua_mt", shape, **VARIANTS["released_code"])
    ((_, student),), ((_, target), (images, doubled), (_, single)) = recorder.student, recorder.teacher
    assert len(images) == 4, "two answers at once, of one batch"
    assert_noise(images, torch.cat([batch.unlabeled.images] * 2))
    answers = [reference.softmax(array(output.logits)) for output in (doubled, single)]
    mean = (answers[0][:2] + answers[0][2:] + answers[1]) / 3
    certain = -(mean * np.log(mean + 1e-6)).sum(axis=1) < (0.75 + 0.25 * RAMP) * math.log(shape[1])
    squares = (reference.softmax(array(student.logits)[2:]) - reference.softmax(array(target.logits))) ** 2
    logits, labels = array(student.logits)[:2], batch.labeled.labels.numpy()
    dice = reference.dice(reference.softmax(logits), reference.indicators(labels, shape[1]), first=shape[0] - 2)
    assert losses == {
        "supervised": pytest.approx(0.5 * (reference.cross_entropy(logits, labels) + dice), abs=1e-10),
        "consistency": pytest.approx(
            (certain[:, None] * squares).sum() / (shape[1] * certain.sum() + 1e-16), abs=1e-10
        ),
        "certain_share": pytest.approx(certain.mean(), abs=1e-6),
    }


def test_it_learns_nothing_where_nothing_is_certain():
    method, batch = toy_method("ua_mt", 2, 4), toy_batch(2, 4)
    with torch.no_grad():
        method.teacher.network.head.weight.zero_()
        method.teacher.network.head.bias.zero_()
    losses = values(method.losses(batch, TrainingStep(0, 1000)))
    assert losses["certain_share"] == losses["consistency"] == 0


def test_threshold_ends_at_the_largest_entropy():
    method = toy_method("ua_mt", 2, 4)
    assert method.threshold(TrainingStep(1000, 1000)) == pytest.approx(math.log(4))
    assert method.threshold(TrainingStep(0, 1000)) == pytest.approx((0.75 + 0.25 * math.exp(-5)) * math.log(4))


def test_the_weight_follows_the_ramp():
    found = weights("ua_mt", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "consistency": 0.1 * RAMP, "certain_share": 0.0})

"""ICT against its formula in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch, Unlabeled
from SemiSupervisedSegLib.engine.methods import ict

from .. import reference
from ..reference import array
from .checks import EVERYTHING, TeacherStudentChecks, assert_learned_alone
from .toys import MIDDLE, SHAPES, in_float64, run, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
VARIANTS = {"paper": {}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "consistency": EVERYTHING}


class TestICT(TeacherStudentChecks):
    method, variants, trained = "ict", VARIANTS, TRAINED


@pytest.fixture
def given_shares(monkeypatch):
    drawn = torch.tensor([0.25, 0.875])
    monkeypatch.setattr(ict, "mixing_shares", lambda count, alpha: drawn[:count])


@pytest.mark.usefixtures("given_shares")
@pytest.mark.parametrize("shape", SHAPES)
def test_every_image_is_mixed_with_the_next_one(shape):
    losses, batch, recorder, _ = run("ict", shape)
    ((images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    first, second = batch.unlabeled.images
    expected = [0.25 * first + 0.75 * second, 0.875 * second + 0.125 * first]
    torch.testing.assert_close(images, torch.cat([batch.labeled.images, torch.stack(expected)]), atol=1e-10, rtol=0)
    assert torch.equal(teacher_images, batch.unlabeled.images)
    p, q = reference.softmax(array(student.logits))[2:], reference.softmax(array(teacher.logits))
    targets = np.stack([0.25 * q[0] + 0.75 * q[1], 0.875 * q[1] + 0.125 * q[0]])
    assert losses == {
        "supervised": pytest.approx(
            reference.supervised(array(student.logits)[:2], batch.labeled.labels.numpy()), abs=1e-10
        ),
        "consistency": pytest.approx(np.mean((p - targets) ** 2), abs=1e-10),
    }


@pytest.mark.usefixtures("given_shares")
def test_as_benchmarked_the_halves_of_the_batch_are_mixed():
    method, batch = in_float64(toy_method("ict", 2, 4, fidelity="released_code"), toy_batch(2, 4, count=4))
    seen = []
    for network in (method.student, method.teacher.network):
        network.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], array(output.logits))))
    losses = values(method.losses(batch, MIDDLE))
    (images, student), (first, one), (second, other) = seen
    assert torch.equal(torch.cat([first, second]), batch.unlabeled.images) and len(first) == 2
    b = np.array([0.25, 0.875]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(array(images)[4:], b * array(first) + (1 - b) * array(second), atol=1e-10)
    target = b * reference.softmax(one) + (1 - b) * reference.softmax(other)
    expected = np.mean((reference.softmax(student)[4:] - target) ** 2)
    assert losses["consistency"] == pytest.approx(expected, abs=1e-10)


def test_an_image_that_is_alone_is_mixed_with_itself():
    method, batch = toy_method("ict"), toy_batch()
    alone = Batch(batch.labeled, Unlabeled(batch.unlabeled.images[:1]))
    seen = []
    method.student.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    method.losses(alone, MIDDLE)
    torch.testing.assert_close(seen[0][2:], alone.unlabeled.images)


def test_mixtures_differ_from_step_to_step_and_follow_alpha(monkeypatch):
    asked = []
    monkeypatch.setattr(ict, "mixing_shares", lambda count, alpha: asked.append((count, alpha)) or torch.rand(count))
    toy_method("ict", mixing_alpha=3.0).losses(toy_batch(), MIDDLE)
    assert asked == [(2, 3.0)]


def test_the_consistency_alone_can_be_learned():
    assert_learned_alone(toy_method("ict", 2, 4), "consistency", 1.0, MIDDLE)


def test_the_weight_follows_the_ramp():
    found = weights("ict", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "consistency": 0.1 * RAMP})

"""ASE-Net against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.networks.dynamic_convolution import DynamicConvolution
from SemiSupervisedSegLib.planning.networks import NetworkSpec

from .. import reference
from ..reference import array
from .checks import EVERYTHING, TeacherStudentChecks
from .toys import MIDDLE, SHAPES, Recorder, assert_noise, in_float64, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
LOSSES = ("supervised", "consistency", "adversarial_labeled", "adversarial_teacher")


class TestASENet(TeacherStudentChecks):
    method, variants, trained = "ase_net", {"paper": {}}, dict.fromkeys(LOSSES, EVERYTHING)


def observed(shape):
    """Return a method, its batch, what its networks saw, and what its discriminators saw and answered."""
    method, batch = in_float64(toy_method("ase_net", *shape), toy_batch(*shape))
    judgements = []
    for number, discriminator in enumerate(method.discriminators):
        discriminator.register_forward_hook(
            lambda module, inputs, output, number=number: judgements.append(
                (number, module.training, *inputs, array(output))
            )
        )
    return method, batch, Recorder(method), judgements


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    method, batch, recorder, judgements = observed(shape)
    losses = values(method.losses(batch, MIDDLE))
    ((images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert torch.equal(images[:4], torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert_noise(images[4:], batch.unlabeled.images)
    assert torch.equal(teacher_images, images[2:]), "the teacher sees the same noise"
    p, q = reference.softmax(array(student.logits)), reference.softmax(array(teacher.logits))
    clean, noisy, target = p[2:4], p[4:], q[2:]
    pairs = ((clean, noisy), (clean, target), (noisy, target))
    (first, first_learns, first_maps, first_images, answers), (second, second_learns, *rest) = judgements
    second_maps, second_images, second_answers = rest
    assert (first, second, first_learns, second_learns) == (0, 1, False, False)
    assert torch.equal(first_images, batch.unlabeled.images)
    assert torch.equal(second_images, batch.unlabeled.images), "noise would betray the student"
    np.testing.assert_allclose(array(first_maps), clean, atol=1e-12)
    np.testing.assert_allclose(array(second_maps), noisy, atol=1e-12)
    assert losses == {
        "supervised": pytest.approx(
            reference.supervised(array(student.logits)[:2], batch.labeled.labels.numpy()), abs=1e-10
        ),
        "consistency": pytest.approx(np.mean([np.mean((a - b) ** 2) for a, b in pairs]), abs=1e-12),
        "adversarial_labeled": pytest.approx(reference.cross_entropy(answers, np.ones(2, int)), abs=1e-10),
        "adversarial_teacher": pytest.approx(reference.cross_entropy(second_answers, np.ones(2, int)), abs=1e-10),
    }


def test_the_consistency_is_not_constant():
    method, batch, _, _ = observed((3, 2))
    assert method.losses(batch, MIDDLE)["consistency"].value > 0


def test_the_discriminators_learn_from_the_predictions_that_were_judged():
    method, batch, recorder, judgements = observed((2, 4))
    method.losses(batch, MIDDLE)
    ((_, student),), ((_, teacher),) = recorder.student, recorder.teacher
    judgements.clear()
    losses = method.discriminator_losses(batch, MIDDLE)
    assert len(recorder.student) == len(recorder.teacher) == 1, "no further pass"
    p, q = reference.softmax(array(student.logits)), reference.softmax(array(teacher.logits))
    expected_maps = (p[:4], np.concatenate([q[:2], p[4:]]))
    clean = batch.unlabeled.images
    expected_images = (torch.cat([batch.labeled.images, clean]), torch.cat([clean, clean]))
    origin = np.array([1, 1, 0, 0])
    for number, (judgement, loss) in enumerate(zip(judgements, losses.values(), strict=True)):
        which, learns, maps, images, answers = judgement
        assert (which, learns, maps.requires_grad) == (number, True, False)
        np.testing.assert_allclose(array(maps), expected_maps[number], atol=1e-12)
        assert torch.equal(images, expected_images[number])
        assert loss.value.item() == pytest.approx(reference.cross_entropy(answers, origin), abs=1e-10)


def test_the_discriminators_have_their_own_adam():
    segmentation, discriminators = toy_method("ase_net").objectives()
    assert segmentation.optimizer == {}
    assert (discriminators.optimizer["optimizer"], discriminators.optimizer["learning_rate"]) == ("adam", 1e-4)
    assert not {id(p) for p in segmentation.module.parameters()} & {id(p) for p in discriminators.module.parameters()}


def test_student_and_teacher_have_a_dynamic_convolution_and_the_plan_says_so():
    method = toy_method("ase_net", 3)
    for network in (method.student, method.teacher.network):
        assert isinstance(network.encoder.stages[-1][1], DynamicConvolution)
    assert method.network_spec(NetworkSpec("v_net")) == NetworkSpec("v_net", dynamic=True)


def test_the_weights_follow_the_ramp():
    found = weights("ase_net", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, **dict.fromkeys(LOSSES[1:], 0.1 * RAMP)})

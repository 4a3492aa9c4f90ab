"""CPCL against its formulas in float64, its ablations, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.networks.factory import build_network

from .. import reference
from ..reference import array
from .checks import (
    ENCODER,
    EVERYTHING,
    TeacherStudentChecks,
    assert_learned_alone,
    assert_routing,
    assert_skipped,
    see_only_background,
)
from .toys import (
    MIDDLE,
    SHAPES,
    SIZES,
    assert_noise,
    batch_of,
    build_on,
    run,
    toy_batch,
    toy_labels,
    toy_method,
    weights,
)

TRAINED = {"supervised": EVERYTHING, "forward_prototype": ENCODER, "backward_prototype": ENCODER}
ABLATIONS = {
    "MT": ((False, False, True), {"consistency"}),
    "F-PCL": ((True, False, False), {"forward_prototype"}),
    "B-PCL": ((False, True, False), {"backward_prototype"}),
    "MT-F-PCL": ((True, False, True), {"forward_prototype", "consistency"}),
    "MT-B-PCL": ((False, True, True), {"backward_prototype", "consistency"}),
    "MT-C-PCL": ((True, True, True), {"forward_prototype", "backward_prototype", "consistency"}),
    "CPCL": ((True, True, False), {"forward_prototype", "backward_prototype"}),
}
RAMP = [(0, math.exp(-5)), (500, math.exp(-1.25)), (1000, 1.0)]


class TestCPCL(TeacherStudentChecks):
    method, variants, trained = "cpcl", {"paper": {}}, TRAINED


class TestCPCLWithMeanTeacher(TeacherStudentChecks):
    method, variants = "cpcl", {"with_mean_teacher": {"use_mean_teacher": True}}
    trained = TRAINED | {"consistency": EVERYTHING}


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, recorder, _ = run("cpcl", shape)
    ((student_images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert student_images is batch.labeled.images, "CPCL employs no perturbation"
    assert teacher_images is batch.unlabeled.images
    labels, size, classes = batch.labeled.labels.numpy(), SIZES[shape[0]], shape[1]
    student_features, teacher_features = array(student.bottleneck), array(teacher.bottleneck)
    probabilities = reference.softmax(array(teacher.logits))

    own, _ = reference.image_mean_prototypes(student_features, reference.indicators(labels, classes))
    forward = reference.softmax(reference.similarity(teacher_features, own, size, 20.0)) - probabilities

    pseudo = reference.indicators(probabilities.argmax(axis=1), classes)
    unlabeled, valid = reference.image_mean_prototypes(teacher_features, pseudo)
    present = np.flatnonzero(valid)
    assert len(present) >= 2
    cosines = np.full((len(labels), classes, *size), -np.inf)
    cosines[:, present] = reference.similarity(student_features, unlabeled[present], size, 20.0)
    backward = reference.cross_entropy(cosines, labels, valid[labels])

    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(student.logits), labels), abs=1e-5),
        "forward_prototype": pytest.approx(np.mean(forward**2), abs=1e-5),
        "backward_prototype": pytest.approx(backward, abs=1e-5),
    }


def test_mean_teacher_term_perturbs_both_networks_differently():
    losses, batch, recorder, _ = run("cpcl", (2, 2), use_mean_teacher=True, use_forward=False, use_backward=False)
    (_, (student_images, student)), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert_noise(student_images, batch.unlabeled.images)
    assert_noise(teacher_images, batch.unlabeled.images)
    correlation = np.corrcoef(
        array(student_images - batch.unlabeled.images).ravel(), array(teacher_images - batch.unlabeled.images).ravel()
    )[0, 1]
    assert abs(correlation) < 0.1
    expected = np.mean((reference.softmax(array(student.logits)) - reference.softmax(array(teacher.logits))) ** 2)
    assert losses["consistency"] == pytest.approx(expected, abs=1e-5)


def test_routing_in_the_3d_unet_of_the_paper():
    method = build_on(lambda: build_network("unet_3d", 1, 2), "cpcl", 3, 2)
    assert_routing(method, batch_of(toy_labels(2, (32, 32, 32), 2)), TRAINED)


def test_forward_consistency_reaches_the_student_through_labeled_images_only():
    method, batch = toy_method("cpcl"), toy_batch()
    batch.labeled.images.requires_grad_()
    batch.unlabeled.images.requires_grad_()
    method.losses(batch, MIDDLE)["forward_prototype"].value.backward()
    assert batch.labeled.images.grad.abs().max() > 0
    assert batch.unlabeled.images.grad is None


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_ablations(ablation):
    (forward, backward, mean_teacher), names = ABLATIONS[ablation]
    method = toy_method("cpcl", use_forward=forward, use_backward=backward, use_mean_teacher=mean_teacher)
    assert set(method.losses(toy_batch(), TrainingStep(0, 10))) == {"supervised", *names}


@pytest.mark.parametrize(("step", "ramp"), RAMP)
def test_weights_of_the_paper(step, ramp):
    assert weights("cpcl", TrainingStep(step, 1000), use_mean_teacher=True) == pytest.approx(
        {
            "supervised": 1.0,
            "forward_prototype": 0.1 * ramp,
            "backward_prototype": 10 * 0.1 * ramp,
            "consistency": 0.1 * ramp,
        }
    )


@pytest.mark.parametrize(("name", "rate"), [("forward_prototype", 0.5), ("backward_prototype", 0.05)])
def test_each_loss_alone_can_be_learned(name, rate):
    assert_learned_alone(toy_method("cpcl", 2, 4), name, rate, MIDDLE)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_skips_the_forward_process_without_labeled_object(dimensions):
    method = toy_method("cpcl", dimensions)
    losses = method.losses(batch_of(torch.zeros(2, *SIZES[dimensions], dtype=torch.long)), MIDDLE)
    assert_skipped(method, losses["forward_prototype"])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_skips_the_backward_process_when_the_teacher_sees_no_object(dimensions):
    method = toy_method("cpcl", dimensions)
    see_only_background(method.teacher.network)
    losses = method.losses(toy_batch(dimensions), MIDDLE)
    assert_skipped(method, losses["backward_prototype"])
    assert losses["forward_prototype"].value > 0


@pytest.mark.parametrize(("setting", "network"), [("student", "student"), ("teacher", "teacher")])
def test_network_that_predicts(setting, network):
    method = toy_method("cpcl", inference_network=setting)
    expected = method.student if network == "student" else method.teacher.network
    assert method.inference_network() is expected

"""Mean Teacher against its formula in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import EVERYTHING, TeacherStudentChecks, assert_learned_alone
from .toys import MIDDLE, SHAPES, assert_noise, run, toy_batch, toy_method, weights

VARIANTS = {"paper": {}}
TRAINED = {"supervised": EVERYTHING, "consistency": EVERYTHING}


class TestMeanTeacher(TeacherStudentChecks):
    method, variants, trained = "mean_teacher", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, recorder, _ = run("mean_teacher", shape)
    ((student_images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert torch.equal(student_images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert_noise(teacher_images, batch.unlabeled.images)
    student, teacher = array(student.logits), array(teacher.logits)
    assert losses == {
        "supervised": pytest.approx(reference.supervised(student[:2], batch.labeled.labels.numpy()), abs=1e-5),
        "consistency": pytest.approx(
            np.mean((reference.softmax(student[2:]) - reference.softmax(teacher)) ** 2), abs=1e-5
        ),
    }


@pytest.mark.parametrize(("step", "weight"), [(299, 0.0), (300, 0.1 * math.exp(-5 * 0.7**2)), (1000, 0.1)])
def test_the_teacher_can_be_followed_later(step, weight):
    found = weights("mean_teacher", TrainingStep(step, 1000), consistency_start=300)
    assert found["consistency"] == pytest.approx(weight)


def test_the_consistency_alone_can_be_learned():
    assert_learned_alone(toy_method("mean_teacher", 2, 4), "consistency", 1.0, MIDDLE)


def test_buffers_are_not_averaged_and_the_teacher_keeps_statistics_of_its_own():
    method, batch = toy_method("mean_teacher"), toy_batch()
    norm, student_norm = (network.encoder.stages[0][1] for network in (method.teacher.network, method.student))
    student_norm.running_mean.fill_(7)
    norm.running_mean.fill_(3)
    method.after_step(TrainingStep(0, 10))
    method.after_step(TrainingStep(50, 100))
    assert norm.running_mean.unique().tolist() == [3]
    assert method.teacher.network.training, "the teacher stays in train mode while training"
    method.losses(batch, TrainingStep(0, 10))
    assert norm.running_mean.min() < 3

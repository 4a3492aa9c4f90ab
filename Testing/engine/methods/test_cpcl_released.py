"""The released form of CPCL against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.networks.factory import build_network

from .. import reference
from ..reference import array
from .checks import EVERYTHING, NOTHING, TeacherStudentChecks, assert_learned_alone, assert_routing
from .toys import MIDDLE, SHAPES, SIZES, assert_noise, batch_of, build_on, run, toy_labels, toy_method, weights

RELEASED = {"fidelity": "released_code"}
TRAINED = {
    "supervised": EVERYTHING,
    "consistency": EVERYTHING,
    "forward_prototype": NOTHING,
    "backward_prototype": NOTHING,
}


class TestReleasedCPCL(TeacherStudentChecks):
    method, variants, trained = "cpcl", {"released_code": RELEASED}, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, recorder, _ = run("cpcl", shape, **RELEASED)
    ((student_images, student),), ((teacher_images, teacher), (clean_images, clean)) = (
        recorder.student,
        recorder.teacher,
    )
    assert clean_images is batch.unlabeled.images, "prototypes come from a pass without noise"
    images = torch.cat([batch.labeled.images, batch.unlabeled.images])
    assert torch.equal(student_images, images)
    assert_noise(teacher_images, images)
    labels, size, classes = batch.labeled.labels.numpy(), SIZES[shape[0]], shape[1]
    student_logits, teacher_logits = array(student.logits), array(teacher.logits)
    student_features, teacher_features = array(student.bottleneck)[:2], array(clean.bottleneck)
    own = reference.indicators(labels, classes) * reference.softmax(student_logits[:2])
    pseudo = reference.confidence_weights(array(clean.logits))

    def paired(support, weights, query):
        maps = np.zeros((2, classes, *size))
        for b in range(2):
            vectors, valid = reference.pooled_prototypes(support[b : b + 1], weights[b : b + 1])
            maps[b, valid] = reference.softmax(reference.similarity(query[b : b + 1], vectors[valid], size, 20.0))[0]
        return maps

    forward = paired(student_features, own, teacher_features) - reference.softmax(array(clean.logits))
    backward = paired(teacher_features, pseudo, student_features)
    assert losses == {
        "supervised": pytest.approx(reference.supervised(student_logits[:2], labels), abs=1e-10),
        "consistency": pytest.approx(np.mean((student_logits - teacher_logits) ** 2), abs=1e-10),
        "forward_prototype": pytest.approx(np.mean(forward**2), abs=1e-10),
        # Probabilities are taken for logits, as released.
        "backward_prototype": pytest.approx(reference.cross_entropy(backward, labels), abs=1e-10),
    }


def test_routing_in_a_v_net():
    method = build_on(lambda: build_network("v_net", 1, 2), "cpcl", 3, 2, **RELEASED)
    assert_routing(method, batch_of(toy_labels(2, (16, 16, 32), 2)), TRAINED)


def test_the_weights_follow_blocks_of_150():
    weight = 0.1 * math.exp(-5 * 0.5**2)
    assert weights("cpcl", TrainingStep(3149, 10000), **RELEASED) == pytest.approx(
        {"supervised": 1.0, "consistency": weight, "forward_prototype": weight, "backward_prototype": 10 * weight}
    )


def test_the_consistency_alone_can_be_learned():
    assert_learned_alone(toy_method("cpcl", 2, 4, **RELEASED), "consistency", 0.05, MIDDLE)

"""SimCVD against its formulas in float64, and the checks of every method."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.distances import signed_distance_maps
from SemiSupervisedSegLib.engine.losses.distillation import contrastive_distillation, pairwise_distillation
from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import BEFORE_HEAD, ENCODER, EVERYTHING, TeacherStudentChecks
from .toys import MIDDLE, SHAPES, Recorder, in_float64, toy_batch, toy_method, values, weights


class TestSimCVD(TeacherStudentChecks):
    method, variants = "simcvd", {"paper": {}}
    trained: ClassVar[dict[str, set[str]]] = {
        "supervised": EVERYTHING,
        "distances": BEFORE_HEAD,
        "contrast": BEFORE_HEAD,
        "pairwise": ENCODER,
        "consistency": EVERYTHING,
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    method, batch = in_float64(toy_method("simcvd", *shape), toy_batch(*shape))
    recorder, own, taught = Recorder(method), [], []
    method.heads.register_forward_hook(lambda _, inputs, output: own.append((inputs[0], output)))
    method.teacher_heads.network.register_forward_hook(lambda _, inputs, output: taught.append((inputs[0], output)))
    losses = values(method.losses(batch, MIDDLE))
    ((images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(teacher_images, batch.unlabeled.images), "dropout is the only difference"
    (unlabeled_features, seen), (labeled_features, predicted) = own
    ((teacher_features, target),) = taught
    assert torch.equal(torch.cat([labeled_features, unlabeled_features]), student.decoder_full)
    assert torch.equal(teacher_features, teacher.decoder_full)
    labels = batch.labeled.labels
    p, q = reference.softmax(array(student.logits)), reference.softmax(array(teacher.logits))
    expected_distances = signed_distance_maps(labels, shape[1]).numpy()
    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(student.logits)[:2], labels.numpy()), abs=1e-10),
        "distances": pytest.approx(np.mean((array(predicted.distances) - expected_distances) ** 2), abs=1e-7),
        "contrast": pytest.approx(contrastive_distillation(seen.slices, target.slices, 0.5).item(), abs=1e-10),
        "pairwise": pytest.approx(pairwise_distillation(student.bottleneck[2:], teacher.bottleneck).item(), abs=1e-10),
        "consistency": pytest.approx(np.mean((p[2:] - q) ** 2), abs=1e-10),
    }


def test_the_teacher_has_heads_of_its_own_that_are_averaged_and_not_trained():
    method, batch = toy_method("simcvd"), toy_batch()
    with torch.no_grad():
        for parameter in method.teacher_heads.network.parameters():
            parameter.add_(1)
    loss = method.losses(batch, MIDDLE)["contrast"].value
    loss.backward()
    assert all(parameter.grad is None for parameter in method.teacher_heads.parameters())
    assert all(parameter.grad.abs().max() > 0 for parameter in method.heads.parameters() if parameter.dim() > 1)
    method.after_step(TrainingStep(0, 10))
    pairs = zip(method.teacher_heads.network.parameters(), method.heads.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_the_weights_are_constant():
    expected = {"supervised": 1.0, "distances": 0.1, "contrast": 0.5, "pairwise": 0.1, "consistency": 0.1}
    assert weights("simcvd", TrainingStep(0, 1000)) == weights("simcvd", MIDDLE) == expected

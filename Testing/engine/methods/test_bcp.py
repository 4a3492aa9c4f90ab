"""BCP against its formulas in float64, its two stages, and the checks of every method."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.parts.masks import outside_a_box, paste

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks
from .toys import SHAPES, Recorder, in_float64, toy_batch, toy_method, values, weights

SELFTRAINING = TrainingStep(500, 1000, "selftrain")
TRAINED = dict.fromkeys(
    ("supervised", "inward_annotated", "inward_pseudo", "outward_annotated", "outward_pseudo"), EVERYTHING
)


class TestBCP(MethodChecks):
    method, variants, trained = "bcp", {"paper": {}}, TRAINED
    stages = ("pretrain", "selftrain")


@pytest.mark.parametrize("shape", SHAPES)
def test_selftraining(shape):
    method, batch = in_float64(toy_method("bcp", *shape), toy_batch(*shape))
    with torch.no_grad():
        method.teacher.network.head.weight.mul_(6)
    recorder = Recorder(method)
    torch.manual_seed(3)
    losses = values(method.losses(batch, SELFTRAINING))
    torch.manual_seed(3)
    keep = outside_a_box(batch.unlabeled.images, 2 / 3)
    halves = [
        torch.equal(seen, half)
        for (seen, _), half in zip(recorder.teacher, batch.unlabeled.images.chunk(2), strict=True)
    ]
    assert halves == [True, True], "each half of the unlabeled images has batch statistics of its own"
    pseudo = method.pseudo_labels(batch.unlabeled.images)
    (inward_images, inward), (outward_images, outward) = recorder.student
    assert torch.equal(inward_images, paste(batch.labeled.images[:1], batch.unlabeled.images[:1], keep))
    assert torch.equal(outward_images, paste(batch.unlabeled.images[1:], batch.labeled.images[1:], keep))
    into = paste(batch.labeled.labels[:1], pseudo[:1], keep).numpy()
    out = paste(pseudo[1:], batch.labeled.labels[1:], keep).numpy()
    outside = keep.numpy().astype(float)
    assert losses == {
        "inward_annotated": pytest.approx(reference.mixture(array(inward.logits), into, outside), abs=1e-10),
        "inward_pseudo": pytest.approx(reference.mixture(array(inward.logits), into, 1 - outside), abs=1e-10),
        "outward_annotated": pytest.approx(reference.mixture(array(outward.logits), out, 1 - outside), abs=1e-10),
        "outward_pseudo": pytest.approx(reference.mixture(array(outward.logits), out, outside), abs=1e-10),
    }


def test_places_without_annotation_count_half():
    assert weights("bcp", SELFTRAINING) == {
        "inward_annotated": 1.0,
        "inward_pseudo": 0.5,
        "outward_annotated": 1.0,
        "outward_pseudo": 0.5,
    }


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pretraining_pastes_labeled_images_and_their_labels(dimensions):
    method, batch = in_float64(toy_method("bcp", dimensions, 4), toy_batch(dimensions, 4))
    recorder = Recorder(method)
    torch.manual_seed(5)
    losses = values(method.losses(batch, TrainingStep(0, 10, "pretrain")))
    torch.manual_seed(5)
    keep = outside_a_box(batch.unlabeled.images, 2 / 3)
    ((images, output),) = recorder.student
    assert torch.equal(images, paste(batch.labeled.images[:1], batch.labeled.images[1:], keep))
    labels = paste(batch.labeled.labels[:1], batch.labeled.labels[1:], keep).numpy()
    outside = keep.numpy().astype(float)
    masks = (outside, 1 - outside) if dimensions == 2 else (np.ones_like(outside),)
    expected = sum(reference.mixture(array(output.logits), labels, mask) for mask in masks)
    assert losses == {"supervised": pytest.approx(expected, abs=1e-10)}
    assert not recorder.teacher


def test_pseudo_labels_keep_the_largest_piece_of_each_structure():
    method = toy_method("bcp")
    wanted = torch.zeros(1, 32, 24, dtype=torch.long)
    wanted[0, 2:10, 2:10] = 1
    wanted[0, 20:23, 20:23] = 1
    answer = reference.indicators(wanted.numpy(), 2)

    class Teacher(torch.nn.Module):
        def forward(self, images):
            return type("Output", (), {"logits": torch.from_numpy(answer)[: len(images)]})

    method.teacher = Teacher()
    pseudo = method.pseudo_labels(torch.zeros(1, 1, 32, 24))
    assert pseudo[0, 2:10, 2:10].all()
    assert pseudo.sum() == 64


def test_selftraining_starts_teacher_and_student_alike_and_averages_at_a_constant_pace():
    method, batch = toy_method("bcp"), toy_batch()
    pretrain, selftrain = method.stages()
    assert pretrain.share + selftrain.share == 1
    method.after_step(TrainingStep(0, 10, pretrain.name))
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1.0)
    method.student(batch.unlabeled.images)
    method.start_stage(selftrain, lambda step: batch)
    states = method.student.state_dict(), method.teacher.network.state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())

    before = [p.clone() for p in method.teacher.network.parameters()]
    statistics = method.teacher.network.encoder.stages[0][1].running_mean.clone()
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1.0)
        method.student.encoder.stages[0][1].running_mean.add_(1.0)
    method.after_step(TrainingStep(0, 10, selftrain.name))
    after = method.teacher.network.parameters()
    assert all(torch.allclose(new, old + 0.01, atol=1e-6) for new, old in zip(after, before, strict=True))
    averaged = method.teacher.network.encoder.stages[0][1].running_mean
    assert torch.allclose(averaged, statistics + 0.01, atol=1e-6), "on slices the whole state is averaged"

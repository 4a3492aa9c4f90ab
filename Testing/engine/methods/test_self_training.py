"""Confident self-training against formulas in float64, and the checks of every method."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods import self_training
from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import EVERYTHING, NOTHING, MethodChecks, assert_doubt_costs_nothing
from .toys import MIDDLE, SHAPES, Recorder, run, toy_batch, toy_method

VARIANTS = {"mixed": {"confidence": 0.0}, "as they are": {"confidence": 0.0, "mixed_share": 0.0}}
START = TrainingStep(100, 1000)


class TestConfidentSelfTraining(MethodChecks):
    method, variants = "self_training", VARIANTS
    trained: ClassVar[dict[str, set[str]]] = {"annotated": EVERYTHING, "pseudo": EVERYTHING, "confident_share": NOTHING}


def expected_loss(logits, labels, known):
    """Return cross-entropy plus 1 - 2 sum pq / (sum p + sum q) over the structures, where labels are known."""
    p = reference.softmax(logits)
    q = np.eye(p.shape[1])[labels].transpose(0, -1, *range(1, labels.ndim))
    entropy = -(np.log((p * q).sum(axis=1)) * known).sum() / max(known.sum(), 1)
    p, q = p * known[:, None], q * known[:, None]
    axes = (0, *range(2, p.ndim))
    dice = (2 * (p * q).sum(axis=axes) + 1e-8) / (p.sum(axis=axes) + q.sum(axis=axes) + 1e-8)
    return entropy + (1 - dice[1:]).mean()


@pytest.fixture
def plain_views(monkeypatch):
    monkeypatch.setattr(self_training, "strong_view", lambda images: images)


@pytest.mark.usefixtures("plain_views")
@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, recorder, _ = run("self_training", shape, confidence=0.5, mixed_share=0.0)
    ((images, output),), ((seen, teacher),) = recorder.student, recorder.teacher
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(seen, batch.unlabeled.images)
    p, logits = reference.softmax(array(teacher.logits)), array(output.logits)
    confident = (p.max(axis=1) >= 0.5).astype(float)
    assert shape[1] == 2 or 0 < confident.mean() < 1, "confidence matters"
    annotated = batch.labeled.labels.numpy()
    assert losses == {
        "annotated": pytest.approx(expected_loss(logits[:2], annotated, np.ones(annotated.shape)), abs=1e-5),
        "pseudo": pytest.approx(expected_loss(logits[2:], p.argmax(axis=1), confident), abs=1e-5),
        "confident_share": pytest.approx(confident.mean()),
    }


@pytest.mark.usefixtures("plain_views")
def test_at_first_annotated_images_are_learned_from_alone():
    losses, batch, recorder, _ = run("self_training", (2, 4), START)
    ((images, output),) = recorder.student
    assert torch.equal(images, batch.labeled.images) and recorder.teacher == []
    annotated = batch.labeled.labels.numpy()
    expected = expected_loss(array(output.logits), annotated, np.ones(annotated.shape))
    assert losses == {"annotated": pytest.approx(expected, abs=1e-5)}


def test_the_student_sees_strong_views_and_the_teacher_does_not():
    torch.manual_seed(1)
    method, batch = toy_method("self_training", 2, 4, mixed_share=0.0), toy_batch(2, 4)
    recorder = Recorder(method)
    method.losses(batch, MIDDLE)
    ((images, _),), ((seen, _),) = recorder.student, recorder.teacher
    assert torch.equal(seen, batch.unlabeled.images)
    assert not torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert images.shape == (4, 1, 32, 24)


def test_results_that_nobody_is_confident_of_cost_nothing():
    assert_doubt_costs_nothing("self_training")


def test_annotations_and_own_results_count_half_each():
    method = toy_method("self_training", pseudo_label_weight=0.4)
    weights = {name: loss.weight for name, loss in method.losses(toy_batch(), MIDDLE).items()}
    assert weights == pytest.approx({"annotated": 0.5, "pseudo": 0.2, "confident_share": 0.0})


def test_the_teacher_predicts():
    method = toy_method("self_training")
    assert method.inference_network() is method.teacher.network

"""The second stage of AUA against its formulas in float64, and the way from the first to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from ..reference_aua import gaussian_contrast
from .aua_stages import FORMS, SECOND, SMALL, VARIANTS, half_dice, second_stage
from .checks import degenerate_labels, see_only_background
from .toys import (
    CHANNELS,
    SHAPES,
    Recorder,
    batch_of,
    toy_batch,
    toy_images,
    toy_labels,
    toy_method,
    values,
    weighted_sum,
)


@pytest.mark.parametrize("variant", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_the_second_stage(variant, shape):
    (method, drawn), batch = second_stage(variant, *shape, prototype_temperature=2.0), toy_batch(*shape)
    recorder = Recorder(method)
    with torch.no_grad():
        labeler = [array(method.label(each.labeled.images).decoder_full) for each in drawn]
    losses = values(method.losses(batch, SECOND))
    ((images, student),) = recorder.student
    pseudo = array(recorder.teacher[-1][1].logits).argmax(axis=1)
    assert recorder.teacher[-1][0] is batch.unlabeled.images
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    labels, logits, features = batch.labeled.labels.numpy(), array(student.logits), array(student.decoder_full)

    def rows(maps):
        return np.moveaxis(maps, 1, -1).reshape(-1, CHANNELS[0])

    for name, part, truth in (("supervised", logits[:2], labels), ("pseudo_label", logits[2:], pseudo)):
        expected = half_dice(reference.cross_entropy(part, truth), part, truth)
        assert losses[name] == pytest.approx(expected, abs=1e-5)

    seen = np.concatenate([*map(rows, labeler), rows(features[:2])])
    truth = np.concatenate([*(each.labeled.labels.numpy().ravel() for each in drawn), labels.ravel()])
    means = [seen[truth == label].mean(axis=0) for label in range(shape[1])]
    covariances = [np.cov(seen[truth == label].T, bias=True) for label in range(shape[1])]
    anchors = range(shape[1])
    if variant == "aua_released":
        means = [mean / np.linalg.norm(mean) for mean in means]
        covariances = [np.diag(np.diag(matrix) / np.linalg.norm(np.diag(matrix))) for matrix in covariances]
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        anchors = range(1, shape[1])
    for name, part, target in (("labeled", features[:2], labels), ("unlabeled", features[2:], pseudo)):
        assert set(target.ravel()) >= set(anchors)
        expected = gaussian_contrast(rows(part), target.ravel(), means, covariances, 2.0, anchors)
        assert losses[f"prototype_{name}"] == pytest.approx(expected, abs=2e-5, rel=2e-5)


def test_the_gradient_of_the_prototypes_is_told():
    (method, _), batch = second_stage(), toy_batch()
    recorder = Recorder(method)
    losses = method.losses(batch, SECOND)
    ((_, student),) = recorder.student
    both = losses["prototype_labeled"].value + losses["prototype_unlabeled"].value
    (gradient,) = torch.autograd.grad(both, student.decoder_full)
    assert losses["prototype_gradient"].value.item() == pytest.approx(gradient.norm().item(), rel=1e-4)
    assert losses["prototype_gradient"].weight == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_second_stage_begins_with_a_new_student_and_the_old_one_as_labeler(shape):
    method = toy_method("aua", *shape, **SMALL)
    with torch.no_grad():
        for _ in range(3):
            method.student(toy_images(toy_labels(2, (16,) * shape[0], shape[1])) + 5)
    before = {name: value.clone() for name, value in method.student.state_dict().items()}
    method.start_stage(method.stages()[1], lambda step: toy_batch(*shape))
    labeler, student = method.teacher.network.state_dict(), method.student.state_dict()
    assert all(torch.equal(labeler[name], value) for name, value in before.items())
    kernels = [name for name, value in student.items() if value.dim() > 1]
    assert not any(torch.equal(student[name], before[name]) for name in kernels)
    statistics = [name for name in student if name.endswith("running_mean")]
    assert all(student[name].abs().max() == 0 for name in statistics)


def test_the_labeler_stands_still_in_evaluation_mode():
    (method, _), batch = second_stage(), toy_batch()
    method.train()
    state = {name: value.clone() for name, value in method.teacher.state_dict().items()}
    optimizer = torch.optim.SGD(method.objectives()[0].module.parameters(), lr=0.1)
    for step in range(3):
        weighted_sum(method.losses(batch, TrainingStep(step, 3, "retraining"))).backward()
        optimizer.step()
        method.after_step(TrainingStep(step, 3, "retraining"))
    assert all(torch.equal(method.teacher.state_dict()[name], value) for name, value in state.items())
    assert not method.teacher.network.training
    assert method.student.training


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scenario", ["no foreground", "only the last class"])
def test_a_single_class_has_no_prototype_contrast(variant, scenario):
    method = toy_method("aua", **VARIANTS[variant])
    batch = batch_of(degenerate_labels(scenario, 2, 2))
    method.start_stage(method.stages()[1], lambda step: batch)
    see_only_background(method.teacher.network)
    losses = method.losses(batch, SECOND)
    assert losses["prototype_labeled"].value == losses["prototype_unlabeled"].value == 0

"""Uni-BCP: the losses of BCP in float64 on the channels of each image's task, and the checks of every method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.parts.masks import outside_a_box, paste

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks, assert_finite
from .several_tasks import of_tasks, own_channels, paired_batch
from .toys import Recorder, in_float64, values

SELFTRAINING = TrainingStep(500, 1000, "selftrain")
TRAINED = dict.fromkeys(
    ("supervised", "inward_annotated", "inward_pseudo", "outward_annotated", "outward_pseudo"), EVERYTHING
)


class TestUniBCP(MethodChecks):
    method, variants, trained = "uni_bcp", {"one_task": {}}, TRAINED
    stages = ("pretrain", "selftrain")


def batch_of_tasks(dimensions):
    batch = paired_batch(dimensions)
    unlabeled = replace(batch.unlabeled, tasks=torch.tensor([2, -1, 0, 1]))
    method, batch = in_float64(of_tasks("uni_bcp", dimensions), replace(batch, unlabeled=unlabeled))
    return method, batch


def mixed(around, inside, keep):
    return np.where(keep == 1, around, inside)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_each_part_of_a_mixture_answers_for_the_task_of_its_image(dimensions):
    method, batch = batch_of_tasks(dimensions)
    recorder = Recorder(method)
    torch.manual_seed(3)
    losses = values(method.losses(batch, SELFTRAINING))
    torch.manual_seed(3)
    keep = outside_a_box(batch.unlabeled.images, 2 / 3)
    known, unlabeled = batch.labeled.tasks, batch.unlabeled.tasks
    pseudo = method.pseudo_labels(batch.unlabeled.images, unlabeled).numpy()
    labels, outside = batch.labeled.labels.numpy(), keep.numpy()
    (images, inward), (_, outward) = recorder.student
    assert torch.equal(images, paste(batch.labeled.images[:2], batch.unlabeled.images[:2], keep))
    z, out = array(inward.logits), array(outward.logits)
    z = mixed(own_channels(z, known[:2]), own_channels(z, unlabeled[:2]), outside)
    out = mixed(own_channels(out, unlabeled[2:]), own_channels(out, known[2:]), outside)
    into, away = mixed(labels[:2], pseudo[:2], outside), mixed(pseudo[2:], labels[2:], outside)
    assert losses == {
        "inward_annotated": pytest.approx(reference.mixture(z, into, outside), abs=1e-10),
        "inward_pseudo": pytest.approx(reference.mixture(z, into, 1 - outside), abs=1e-10),
        "outward_annotated": pytest.approx(reference.mixture(out, away, 1 - outside), abs=1e-10),
        "outward_pseudo": pytest.approx(reference.mixture(out, away, outside), abs=1e-10),
    }


def test_pseudo_labels_are_of_the_own_task():
    method, batch = batch_of_tasks(2)
    pseudo = method.pseudo_labels(batch.unlabeled.images, batch.unlabeled.tasks)
    found = [set(image.unique().tolist()) for image in pseudo]
    assert all(seen <= own for seen, own in zip(found, ({0, 1, 3}, {0, 1, 2, 3}, {0, 1}, {0, 2}), strict=True))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pretraining_pastes_images_of_different_tasks(dimensions):
    method, batch = batch_of_tasks(dimensions)
    recorder = Recorder(method)
    torch.manual_seed(5)
    losses = method.losses(batch, TrainingStep(0, 10, "pretrain"))
    torch.manual_seed(5)
    outside = outside_a_box(batch.unlabeled.images, 2 / 3).numpy().astype(float)
    ((_, output),) = recorder.student
    z, labels, tasks = array(output.logits), batch.labeled.labels.numpy(), batch.labeled.tasks
    z = mixed(own_channels(z, tasks[:2]), own_channels(z, tasks[2:]), outside)
    target = mixed(labels[:2], labels[2:], outside)
    masks = (outside, 1 - outside) if dimensions == 2 else (np.ones_like(outside),)
    expected = sum(reference.mixture(z, target, mask) for mask in masks)
    assert losses["supervised"].value.item() == pytest.approx(expected, abs=1e-10)
    assert_finite(method, losses)

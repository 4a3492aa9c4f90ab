"""UniSeMi against its formulas in float64, with one task and with several, and the checks of every method."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Unlabeled
from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.parts.masks import paste
from SemiSupervisedSegLib.engine.methods.unisemi_paper import mixture
from SemiSupervisedSegLib.jobs.catalogue import resolve
from SemiSupervisedSegLib.study.errors import UserError

from .checks import EVERYTHING, NOTHING, MethodChecks, assert_finite
from .several_tasks import (
    TASKS,
    SeveralTasksChecks,
    dice_loss,
    fixed_mask,
    partial_batch,
    prompts_reached,
    softmax,
    two_channels,
    unisemi,
)
from .toys import MIDDLE, SIZES, toy_batch

VARIANTS = {
    "paper": {},
    "with_task_information": {"with_task_information": True},
    "soft_maximum": {"soft_maximum": True},
}
TRAINED = {"supervised": EVERYTHING, "synthetic": EVERYTHING, "unsupervised": EVERYTHING, "mixed_share": NOTHING}


class TestOneTask(MethodChecks):
    method, variants, trained = "unisemi", {"one_task": {}}, TRAINED


class TestSeveralTasks(SeveralTasksChecks):
    variants, trained = VARIANTS, TRAINED


@pytest.mark.parametrize("dimensions", [2, 3])
def test_supervised_loss_judges_each_image_by_its_own_task(dimensions):
    method, batch = unisemi(dimensions).eval(), partial_batch(dimensions)
    inputs = method.student.encode(batch.labeled.images)
    rows, targets = [], []
    for index, task in enumerate(TASKS):
        row = softmax(method.student.decode_task(inputs, index))[index]
        channel = {0: 0} | {label: 1 + place for place, label in enumerate(task)}
        local = np.vectorize(channel.get)(batch.labeled.labels[index].numpy())
        rows.append(row)
        targets.append(np.moveaxis(np.eye(3)[local], -1, 0))
    p, q = np.stack(rows), np.stack(targets)
    expected = dice_loss(p, q) - np.log((p * q).sum(axis=1)).mean()
    assert method.supervised(inputs, batch.labeled).item() == pytest.approx(expected, rel=1e-4)


def test_as_published_nothing_is_known_of_other_tasks():
    assert set(unisemi().losses(partial_batch(), MIDDLE)) == {"supervised", "synthetic", "unsupervised", "mixed_share"}
    assert resolve("unisemi", "paper", {}, 3)["shared_anatomy"] is False


def test_synthetic_task_sees_any_structure_of_the_mixture():
    method, batch = unisemi().eval(), partial_batch()
    keep = fixed_mask(method, batch.labeled.images).numpy()
    encoded = method.encode(batch)
    marked = (batch.labeled.labels.numpy() > 0).astype(float)
    q = two_channels(marked * keep + np.roll(marked, 1, axis=0) * (1 - keep))
    mixed = method.student.encode(mixture(batch.labeled.images, encoded.keep))
    p = softmax(method.student.decode_task(mixed, 3))[:, :2]
    expected = dice_loss(p, q) - np.log((p * q).sum(axis=1)).mean()
    assert method.synthetic(encoded, batch.labeled).item() == pytest.approx(expected, rel=1e-4)


def test_unsupervised_loss_compares_all_tasks_with_the_synthetic_one():
    method, batch = unisemi().eval(), partial_batch()
    keep = fixed_mask(method, batch.unlabeled.images)
    mixed = method.student.encode(mixture(batch.unlabeled.images, keep))
    foregrounds = [1 - softmax(method.student.decode_task(mixed, task))[:, 0] for task in range(4)]
    expected = dice_loss(two_channels(np.max(foregrounds[:3], axis=0)), two_channels(foregrounds[3]))
    assert method.unsupervised(mixed, batch, keep).item() == pytest.approx(expected, rel=1e-4)


def test_with_task_information_the_own_task_of_each_image_is_the_target():
    method, batch = unisemi(with_task_information=True).eval(), partial_batch()
    with torch.no_grad():
        method.student.head.controller.weight.mul_(4)
    keep = fixed_mask(method, batch.unlabeled.images)
    clean, mixed = (
        method.student.encode(batch.unlabeled.images),
        method.student.encode(mixture(batch.unlabeled.images, keep)),
    )
    foregrounds = np.stack([1 - softmax(method.student.decode_task(clean, task))[:, 0] for task in range(3)])
    masks = np.stack([foregrounds[0, 0], foregrounds[1, 1], foregrounds[:, 2].max(axis=0)]) > 0.5
    target = np.where(keep.numpy() == 1, masks, np.roll(masks, 1, axis=0)).astype(float)
    assert 0 < target.mean() < 1
    expected = dice_loss(two_channels(target), two_channels(1 - softmax(method.student.decode_task(mixed, 3))[:, 0]))
    assert method.unsupervised(mixed, batch, keep).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "reached"),
    [
        ({"soft_maximum": True}, [True, True, True, True]),
        ({"soft_maximum": True, "consistency_learner": "synthetic"}, [False, False, False, True]),
        ({"soft_maximum": True, "consistency_learner": "tasks"}, [True, True, True, False]),
        ({"with_task_information": True}, [False, False, False, True]),
    ],
)
def test_who_learns_from_unlabeled_images(settings, reached):
    method = unisemi(**settings)
    losses = method.losses(partial_batch(), MIDDLE)
    assert prompts_reached(method, losses["unsupervised"].value) == reached
    assert prompts_reached(method, losses["supervised"].value) == [True, True, True, False]
    assert prompts_reached(method, losses["synthetic"].value) == [False, False, False, True]


def test_labels_and_tasks_of_unlabeled_images_are_not_needed_without_task_information():
    method, batch = unisemi(known=False), partial_batch()
    torch.manual_seed(1)
    first = method.losses(batch, MIDDLE)["unsupervised"].value
    torch.manual_seed(1)
    second = method.losses(dataclasses.replace(batch, unlabeled=Unlabeled(batch.unlabeled.images)), MIDDLE)[
        "unsupervised"
    ].value
    assert torch.equal(first, second)


def test_task_information_that_nobody_gave_is_asked_for():
    with pytest.raises(UserError, match="no unlabeled case says") as caught:
        unisemi(known=False, with_task_information=True)
    assert "with_task_information" in caught.value.advice


@pytest.mark.parametrize("tasks", [(), ((1, 2, 3),)])
def test_a_single_task_works_and_says_what_is_lost(tasks):
    method = unisemi(tasks=tasks)
    (said,) = method.warnings()
    assert "one task only" in said
    batch = toy_batch(2, 4)
    losses = method.losses(batch, MIDDLE)
    assert all(torch.isfinite(loss.value) for loss in losses.values())
    assert method.student(batch.unlabeled.images).logits.shape[1] == 4
    assert unisemi().warnings() == ()


def test_published_weights_have_no_ramp():
    weights = {name: loss.weight for name, loss in unisemi().losses(partial_batch(), TrainingStep(1, 9)).items()}
    assert weights == {"supervised": 1.0, "synthetic": 1.0, "unsupervised": 1.0, "mixed_share": 0.0}


@pytest.mark.parametrize("kind", ["zero_centered", "slices", "random"])
def test_the_share_that_was_mixed_is_logged(kind):
    method = unisemi(mask_kind=kind, smallest_mask=0.5, largest_mask=0.5)
    share = method.losses(partial_batch(), MIDDLE)["mixed_share"].value.item()
    assert 0.05 < share < 0.75


def test_mixing_is_that_of_the_other_copy_paste_method():
    images = torch.randn(2, 1, 4, 4)
    keep = (torch.rand(4, 4) > 0.5).float()
    assert torch.equal(mixture(images, keep), paste(images, images.flip(0), keep))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("shared_anatomy", [False, True])
def test_images_that_are_one_structure_throughout_are_survived(dimensions, shared_anatomy):
    labels = torch.tensor([1, 2, 3]).view(3, *(1,) * dimensions).expand(3, *SIZES[dimensions])
    method = unisemi(dimensions, shared_anatomy=shared_anatomy)
    assert_finite(method, method.losses(partial_batch(dimensions, labels), MIDDLE))


def test_labeled_mixed_and_unlabeled_images_have_batch_statistics_of_their_own():
    method, batch = unisemi(), partial_batch()
    seen = []
    method.student.encoder.register_forward_hook(lambda _, inputs, output: seen.append(len(inputs[0])))
    method.losses(batch, MIDDLE)
    assert seen == [3, 3, 3]

"""UniSeMi against formulas written anew, and what each of its losses trains, with one task and with several."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods.method import Loss, MethodContext, TrainingStep
from SemiSupervisedSegLib.engine.methods.parts import mixing
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.methods.unisemi import UniSeMi, mixture
from SemiSupervisedSegLib.jobs.catalogue import resolve
from SemiSupervisedSegLib.planning.tasks import UNKNOWN_TASK
from SemiSupervisedSegLib.study.errors import UserError

from .toys import SIZES, toy_batch, toy_images, toy_labels, toy_network, weighted_sum

TASKS = ((1,), (2,), (1, 3))
MIDDLE = TrainingStep(500, 1000)
STEPS = 20


def unisemi(dimensions: int = 2, tasks=TASKS, known: bool = True, **settings: Any) -> UniSeMi:
    """Build the method as published, if the settings do not say otherwise."""
    values = resolve("unisemi", "standard", {"shared_anatomy": False, **settings}, dimensions)
    context = MethodContext(lambda: toy_network(dimensions, 4), 4, dimensions, values, tasks, known)
    return build_method("unisemi", context).train()


def partial_batch(dimensions: int = 2, labels: torch.Tensor | None = None) -> Batch:
    """Three images of three tasks; a label that the task does not have is background."""
    full = toy_labels(3, SIZES[dimensions], 4) if labels is None else labels
    pairs = zip(full, TASKS, strict=True)
    own = torch.stack([image * sum((image == index).long() for index in task) for image, task in pairs])
    unlabeled_tasks = torch.tensor([0, 1, UNKNOWN_TASK])
    return Batch(Labeled(toy_images(full), own, torch.arange(3)), Unlabeled(toy_images(full.flip(-1)), unlabeled_tasks))


def softmax(logits: torch.Tensor) -> np.ndarray:
    return logits.detach().double().softmax(dim=1).numpy()


def dice_loss(first: np.ndarray, second: np.ndarray) -> float:
    pairs = zip(np.moveaxis(first, 1, 0), np.moveaxis(second, 1, 0), strict=True)
    return float(np.mean([1 - (2 * (p * q).sum() + 1e-5) / ((p * p).sum() + (q * q).sum() + 1e-5) for p, q in pairs]))


def two_channels(foreground: np.ndarray) -> np.ndarray:
    return np.stack([1 - foreground, foreground], axis=1)


def fixed_mask(method: UniSeMi, images: torch.Tensor) -> torch.Tensor:
    keep = torch.ones(images.shape[2:])
    keep[..., : keep.shape[-1] // 2] = 0
    method.mask = lambda _: keep
    return keep


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


def trained(method: UniSeMi, loss: Loss) -> dict[str, bool]:
    method.zero_grad()
    loss.value.backward(retain_graph=True)
    parts = {"encoder": method.student.encoder, "decoder": method.student.decoder, "head": method.student.head}
    kernels = {name: [p for p in part.parameters() if p.dim() > 1] for name, part in parts.items()}
    return {name: all(p.grad is not None and p.grad.abs().max() > 0 for p in own) for name, own in kernels.items()}


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("settings", [{}, {"with_task_information": True}, {"soft_maximum": True}])
def test_every_loss_trains_the_whole_network(dimensions, settings):
    method = unisemi(dimensions, **settings)
    losses = method.losses(partial_batch(dimensions), MIDDLE)
    assert losses.pop("mixed_share").value.requires_grad is False
    assert set(losses) == {"supervised", "synthetic", "unsupervised"}
    assert all(all(trained(method, loss).values()) for loss in losses.values())


def prompts_reached(method: UniSeMi, loss: torch.Tensor) -> list[bool]:
    """Which prompts get a gradient: each has a column of the controller."""
    method.zero_grad()
    loss.backward(retain_graph=True)
    columns = method.student.head.controller.weight.grad[:, -method.student.head.prompts :]
    return (columns.abs().amax(dim=0) > 0).tolist()


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


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("shared_anatomy", [False, True])
@pytest.mark.parametrize("scenario", ["nothing", "one voxel", "everything"])
def test_losses_and_gradients_stay_finite(dimensions, shared_anatomy, scenario):
    labels = torch.zeros(3, *SIZES[dimensions], dtype=torch.long)
    if scenario == "one voxel":
        labels[1].view(-1)[37] = 2
    elif scenario == "everything":
        labels[:] = torch.tensor([1, 2, 3]).view(3, *(1,) * dimensions)
    method = unisemi(dimensions, shared_anatomy=shared_anatomy)
    losses = method.losses(partial_batch(dimensions, labels), MIDDLE)
    sum(loss.value for loss in losses.values() if loss.weight).backward()
    assert all(torch.isfinite(loss.value) for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in method.parameters())


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("shared_anatomy", [False, True])
def test_one_batch_of_several_tasks_is_learned_by_heart(dimensions, shared_anatomy):
    method, batch = unisemi(dimensions, shared_anatomy=shared_anatomy), partial_batch(dimensions)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.02)
    course = []
    for step in range(STEPS):
        losses = method.losses(batch, TrainingStep(step, STEPS))
        optimizer.zero_grad()
        weighted_sum(losses).backward()
        optimizer.step()
        course.append(losses["supervised"].value.item())
    assert course[-1] < 0.5 * course[0]


def test_mixing_is_that_of_the_other_copy_paste_method():
    images = torch.randn(2, 1, 4, 4)
    keep = (torch.rand(4, 4) > 0.5).float()
    assert torch.equal(mixture(images, keep), mixing.paste(images, images.flip(0), keep))

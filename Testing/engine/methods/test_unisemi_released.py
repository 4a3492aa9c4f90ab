"""UniSeMi as released against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods import unisemi_released
from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import Array, array
from .checks import EVERYTHING
from .several_tasks import TASKS, SeveralTasksChecks, paired_batch, unisemi
from .toys import in_float64

TRAINED = dict.fromkeys(("supervised", "synthetic", "synthetic_pairs", "parts", "unsupervised"), EVERYTHING)
FIRST, SECOND = (TrainingStep(5, 10, stage) for stage in (unisemi_released.PRETRAIN, unisemi_released.SELFTRAIN))


class TestReleased(SeveralTasksChecks):
    variants, trained = {"released_code": {"fidelity": "released_code"}}, TRAINED
    stages = ("pretrain", "selftrain")

    def batch(self, labels):
        return paired_batch(labels.dim() - 1)


def released(dimensions: int = 2):
    return unisemi(dimensions, fidelity="released_code")


def channels(labels, task: int):
    """Class indices as channels of a task's answers."""
    result = np.zeros_like(labels)
    for place, label in enumerate(TASKS[task], 1):
        result[labels == label] = place
    return result


def structures_dice(p: Array, labels, mask=None) -> float:
    return reference.dice(p, reference.indicators(labels, p.shape[1]), mask, first=1)


@pytest.fixture(params=[2, 3])
def prepared(request, monkeypatch):
    """Return a method and a batch in float64, boxes (4, *spatial) that are drawn in turn, and a prompt's answer."""
    method, batch = in_float64(released(request.param).eval(), paired_batch(request.param))
    size = batch.labeled.labels.shape[1:]
    boxes = torch.ones(8, *size)
    for number, box in enumerate(boxes):
        box[2 + number : 9 + number, 3 : 9 + number] = 0
    drawn = iter(boxes)
    monkeypatch.setattr(unisemi_released, "cutmix_mask", lambda images, *_: next(drawn))

    def answer(images, tasks):
        features = method.student.encode(torch.from_numpy(images))
        return reference.softmax(array(method.student.decode(features, torch.as_tensor(tasks))))

    return method, batch, boxes.numpy() == 1, answer


def test_the_first_stage_mixes_the_halves_of_the_labeled_images(prepared):
    method, batch, keep, answer = prepared
    found = {name: loss.value.item() for name, loss in method.losses(batch, FIRST).items()}
    images, labels, tasks = batch.labeled.images.numpy(), batch.labeled.labels.numpy(), batch.labeled.tasks.tolist()
    keep = keep[:2]
    mixed = np.where(keep[:, None], images[:2], images[2:])
    mixed_labels = np.where(keep, labels[:2], labels[2:])
    parts = (np.where(keep, labels[:2], 0), np.where(keep, 0, labels[2:]))
    terms = []
    for half, part in zip((tasks[:2], tasks[2:]), parts, strict=True):
        # The first pair has one task, and is judged as a whole; in the second the other part is background.
        targets = [channels(mixed_labels[0], half[0]), channels(part[1], half[1])]
        terms.append(structures_dice(answer(mixed, half), np.stack(targets)))
    assert tasks[0] == tasks[2] != tasks[1] != tasks[3]
    own = np.stack([channels(image, task) for image, task in zip(labels, tasks, strict=True)])
    logits = array(method.student.decode(method.student.encode(batch.labeled.images), batch.labeled.tasks))
    assert found == {
        "supervised": pytest.approx(
            structures_dice(reference.softmax(logits), own) + reference.cross_entropy(logits, own), abs=1e-10
        ),
        "synthetic": pytest.approx(structures_dice(answer(mixed, [3, 3])[:, :2], (mixed_labels > 0) * 1), abs=1e-10),
        "parts": pytest.approx(np.mean(terms), abs=1e-10),
    }


def test_the_second_stage_pastes_labeled_boxes_into_unlabeled_images(prepared):
    method, batch, keep, answer = prepared
    found = {name: loss.value.item() for name, loss in method.losses(batch, SECOND).items()}
    images, labels = batch.labeled.images.numpy(), batch.labeled.labels.numpy()
    marked = (labels > 0) * 1
    mixed = np.where(keep[:4, None], batch.unlabeled.images.numpy(), images)
    synthetic = answer(mixed, [3] * 4)[:, :2]
    aggregated = np.max([1 - answer(mixed, [task] * 4)[:, 0] for task in range(3)], axis=0)
    pairs = np.where(keep[4:6, None], images[:2], images[2:])
    mixed_marks = np.where(keep[4:6], marked[:2], marked[2:])
    agreement = reference.dice(aggregated[:, None], synthetic[:, 1:])
    del found["supervised"]
    assert found == {
        "synthetic": pytest.approx(structures_dice(synthetic, marked, ~keep[:4]), abs=1e-10),
        "synthetic_pairs": pytest.approx(structures_dice(answer(pairs, [3, 3])[:, :2], mixed_marks), abs=1e-10),
        "unsupervised": pytest.approx(agreement, abs=1e-10),
    }


def test_every_image_has_a_box_of_its_own():
    keep = released().boxes(torch.zeros(6, 1, 32, 24), *unisemi_released.PRETRAIN_SIDES)
    assert [(~box).sum().item() for box in keep] == [21 * 16] * 6
    assert len({tuple(box.flatten().tolist()) for box in keep}) > 1


def test_the_first_stage_sees_no_unlabeled_image():
    method, batch = released(), paired_batch()
    batch.unlabeled.images.requires_grad_()
    sum(loss.value for loss in method.losses(batch, FIRST).values()).backward()
    assert batch.unlabeled.images.grad is None


def test_adam_has_the_authors_momenta():
    (objective,) = released().objectives()
    assert objective.optimizer["adam_betas"] == (0.5, 0.999)

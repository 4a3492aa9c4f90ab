from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods import unisemi_released
from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.unisemi_paper import mixture

from .checks import EVERYTHING
from .several_tasks import TASKS, SeveralTasksChecks, dice_loss, partial_batch, softmax, two_channels, unisemi

TRAINED = dict.fromkeys(("supervised", "synthetic", "parts", "unsupervised"), EVERYTHING)

FIRST, SECOND = (TrainingStep(5, 10, stage) for stage in (unisemi_released.PRETRAIN, unisemi_released.SELFTRAIN))


class TestReleased(SeveralTasksChecks):
    variants, trained = {"released_code": {"fidelity": "released_code"}}, TRAINED
    stages = ("pretrain", "selftrain")


def released(dimensions: int = 2):
    return unisemi(dimensions, fidelity="released_code")


def test_each_stage_has_its_losses():
    method, batch = released(), partial_batch()
    assert set(method.losses(batch, FIRST)) == {"supervised", "synthetic", "parts"}
    assert set(method.losses(batch, SECOND)) == {"supervised", "synthetic", "unsupervised"}


def test_the_first_stage_sees_no_unlabeled_image():
    method, batch = released(), partial_batch()
    batch.unlabeled.images.requires_grad_()
    sum(loss.value for loss in method.losses(batch, FIRST).values()).backward()
    assert batch.unlabeled.images.grad is None


def test_both_prompts_are_judged_on_their_own_part(monkeypatch):
    method, batch = released().eval(), partial_batch()
    keep = torch.ones(batch.labeled.labels.shape[1:])
    keep[8:20, 5:15] = 0
    monkeypatch.setattr(unisemi_released, "cutmix_mask", lambda *_: keep)
    inputs = method.student.encode(mixture(batch.labeled.images, keep))
    labels = np.where(keep.numpy() == 1, batch.labeled.labels, np.roll(batch.labeled.labels, 1, axis=0))
    terms = []
    for shift, part in ((0, keep.numpy()), (1, 1 - keep.numpy())):
        p, q = [], []
        for image in range(3):
            task = (image - shift) % 3
            p.append(softmax(method.student.decode_task(inputs, task))[image] * part)
            channel = np.zeros_like(labels[image])
            for place, label in enumerate(TASKS[task], 1):
                channel[labels[image] == label] = place
            q.append(np.moveaxis(np.eye(3)[channel], -1, 0) * part)
        terms.append(dice_loss(np.stack(p), np.stack(q)))
    found = method.pretraining(batch)
    assert found["parts"].value.item() == pytest.approx(np.mean(terms), rel=1e-4)
    synthetic = dice_loss(
        softmax(method.student.decode_task(inputs, 3))[:, :2], two_channels((labels > 0).astype(float))
    )
    assert found["synthetic"].value.item() == pytest.approx(synthetic, rel=1e-4)


def test_adam_has_the_authors_momenta():
    (objective,) = released().objectives()
    assert objective.optimizer["adam_betas"] == (0.5, 0.999)

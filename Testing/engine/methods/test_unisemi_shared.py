"""What UniSeMi adds where every image shows the structures of all tasks, against formulas written anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.unisemi_paper import UniSeMi, mixture
from SemiSupervisedSegLib.engine.methods.unisemi_shared import SharedAnatomyUniSeMi

from .checks import EVERYTHING, NOTHING
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
from .toys import MIDDLE, SIZES

PUBLISHED = {"supervised", "synthetic", "unsupervised", "mixed_share"}
ADDED = {"parts", "labeled_structures", "unlabeled_structures"}
TRAINED = dict.fromkeys(PUBLISHED | ADDED, EVERYTHING) | {"mixed_share": NOTHING}


def shared(dimensions: int = 2, **settings):
    method = unisemi(dimensions, shared_anatomy=True, **settings)
    with torch.no_grad():
        method.student.head.controller.weight.mul_(3)
    return method


class TestSharedAnatomy(SeveralTasksChecks):
    variants, trained = {"shared_anatomy": {}}, TRAINED

    def build(self, variant, dimensions=2, classes=4, **settings):
        return shared(dimensions, **settings)


def channels(labels: np.ndarray, task: int) -> np.ndarray:
    """Class indices as channels of a task's answers."""
    result = np.zeros_like(labels)
    for place, label in enumerate(TASKS[task], 1):
        result[labels == label] = place
    return result


def one_hot(values: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.eye(3)[values], -1, 1)


def mixed_with_next(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return np.where(keep == 1, values, np.roll(values, 1, axis=0))


def test_several_tasks_make_the_difference():
    assert type(unisemi()) is type(unisemi(tasks=((1, 2, 3),), shared_anatomy=True)) is UniSeMi
    assert type(shared()) is SharedAnatomyUniSeMi
    assert set(shared().losses(partial_batch(), MIDDLE)) == PUBLISHED | ADDED


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_prompt_is_judged_on_the_parts_of_its_task(dimensions):
    method, batch = shared(dimensions).eval(), partial_batch(dimensions)
    keep = fixed_mask(method, batch.labeled.images)
    answers = method.task_logits(method.student.encode(mixture(batch.labeled.images, keep)))
    labels, terms = mixed_with_next(batch.labeled.labels.numpy(), keep.numpy()), []
    for task in range(3):
        owned = np.zeros(labels.shape, dtype=bool)
        owned[task] = True
        known = mixed_with_next(owned, keep.numpy())
        p, q = softmax(answers[task]), one_hot(channels(labels, task))
        entropy = -np.log((p * q).sum(axis=1))[known].mean()
        terms.append(entropy + dice_loss(p * known[:, None], q * known[:, None]))
    assert method.cut_mix_loss(answers, batch.labeled, keep).item() == pytest.approx(np.mean(terms), rel=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_prompts_agree_with_what_is_known_and_else_with_what_they_saw(dimensions):
    method, batch = shared(dimensions).eval(), partial_batch(dimensions)
    keep = fixed_mask(method, batch.labeled.images)
    losses = method.losses(batch, MIDDLE)
    labels, expected = batch.labeled.labels.numpy(), {"labeled_structures": [], "unlabeled_structures": []}
    seen = set()
    for name, images in (
        ("labeled_structures", batch.labeled.images),
        ("unlabeled_structures", batch.unlabeled.images),
    ):
        clean, mixed = method.student.encode(images), method.student.encode(mixture(images, keep))
        for task in range(3):
            mask = softmax(method.student.decode_task(clean, task)).argmax(axis=1)
            seen |= set(np.unique(mask))
            if name == "labeled_structures":
                known = labels > 0
                known[task] = True
                assert (mask != channels(labels, task))[known].any(), "what was seen is not what is known"
                mask = np.where(known, channels(labels, task), mask)
            q = one_hot(mixed_with_next(mask, keep.numpy()))
            expected[name].append(dice_loss(softmax(method.student.decode_task(mixed, task)), q))
    assert seen == {0, 1, 2}
    for name, terms in expected.items():
        assert losses[name].value.item() == pytest.approx(np.mean(terms), rel=1e-4)


def test_synthetic_task_is_spared_what_other_tasks_see():
    method, batch = shared().eval(), partial_batch()
    answers = torch.randn(3, 3, 3, *SIZES[2])
    method.task_logits = lambda _: list(answers)
    keep = fixed_mask(method, batch.labeled.images).numpy()
    encoded = method.encode(batch)
    marked = (batch.labeled.labels.numpy() > 0).astype(float)
    seen = answers.numpy().argmax(axis=2) > 0
    for image in range(3):
        seen[image, image] = False
    known = 1.0 - mixed_with_next(seen.any(axis=0) & (marked == 0), keep)
    assert 0.05 < known.mean() < 0.95
    p = softmax(method.student.decode_task(encoded.mixed, 3))[:, :2]
    q = two_channels(mixed_with_next(marked, keep))
    entropy = -(np.log((p * q).sum(axis=1)) * known).sum() / known.sum()
    expected = entropy + dice_loss(p * known[:, None], q * known[:, None])
    unknown = mixture(method.other_structures(method.pseudo_labels(encoded.labeled), batch.labeled), encoded.keep)
    assert method.synthetic(encoded, batch.labeled, unknown).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_synthetic_prompt_learns_from_the_others(dimensions):
    method = shared(dimensions)
    losses = method.losses(partial_batch(dimensions), MIDDLE)
    assert prompts_reached(method, losses["unsupervised"].value) == [False, False, False, True]
    assert prompts_reached(method, losses["unlabeled_structures"].value) == [True, True, True, False]


def test_what_was_seen_is_a_constant():
    method, batch = shared(), partial_batch()
    batch.labeled.images.requires_grad_()
    inputs = method.student.encode(batch.labeled.images)
    assert inputs.reduced.requires_grad
    assert not method.completed_labels(method.pseudo_labels(inputs), batch.labeled).requires_grad


def test_nothing_that_is_added_has_a_ramp():
    weights = {name: loss.weight for name, loss in shared().losses(partial_batch(), TrainingStep(0, 100)).items()}
    assert {weights[name] for name in ADDED} == {1.0}

"""Batches and predictions that lack classes: everything stays finite, and what cannot be learned is skipped."""

from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .toys import METHODS, SIZES, classifier, toy_batch, toy_images, toy_labels, toy_method

MIDDLE = TrainingStep(500, 1000)


def labels_of(scenario, dimensions, classes):
    labels = toy_labels(2, SIZES[dimensions], classes)
    if scenario in ("no foreground", "nothing anywhere"):
        labels = torch.zeros_like(labels)
    elif scenario == "one voxel":
        labels = torch.zeros_like(labels)
        labels[1].view(-1)[37] = 1
    elif scenario == "only the last class":
        labels = torch.full_like(labels, classes - 1)
    elif scenario == "a class in one image only":
        labels[0] = labels[0].clamp(max=classes - 2)
    return labels


SCENARIOS = ["no foreground", "nothing anywhere", "one voxel", "only the last class", "a class in one image only"]
BLIND = [variant for variant in METHODS if hasattr(toy_method(variant), "teacher")]
TEACHERS = [(variant, False) for variant in METHODS] + [(variant, True) for variant in BLIND]


def only_background(method):
    """Make the teacher call everything background, with certainty."""
    with torch.no_grad():
        head = classifier(method.teacher.network)
        head.weight.zero_()
        head.bias.fill_(-20)
        head.bias[0] = 20


def batch_of(labels):
    return Batch(
        Labeled(toy_images(labels), labels),
        Unlabeled(toy_images(labels.flip(-1))),
        Unlabeled(toy_images(labels.flip(0))),
    )


def gradients(method, loss):
    method.zero_grad()
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    return [p.grad for p in method.student.parameters() if p.grad is not None]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("dimensions", "classes"), [(2, 2), (3, 4)])
@pytest.mark.parametrize(("variant", "blind_teacher"), TEACHERS)
def test_losses_and_gradients_are_finite(variant, blind_teacher, dimensions, classes, scenario):
    method = toy_method(variant, dimensions, classes)
    if blind_teacher:
        only_background(method)
    losses = method.losses(batch_of(labels_of(scenario, dimensions, classes)), MIDDLE)
    for name, loss in losses.items():
        assert torch.isfinite(loss.value), name
        assert loss.value.dim() == 0
    total = sum(loss.value for loss in losses.values())
    assert all(torch.isfinite(gradient).all() for gradient in gradients(method, total))


@pytest.mark.parametrize("variant", METHODS)
def test_images_of_nothing_but_zeros_are_survived(variant):
    method, labels = toy_method(variant), torch.zeros(2, *SIZES[2], dtype=torch.long)
    blank = torch.zeros(2, 1, *SIZES[2])
    losses = method.losses(Batch(Labeled(blank, labels), Unlabeled(blank), Unlabeled(blank)), MIDDLE)
    total = sum(loss.value for loss in losses.values())
    assert all(torch.isfinite(gradient).all() for gradient in [total, *gradients(method, total)])


def assert_skipped(method, loss):
    assert loss.item() == 0
    assert all(gradient.abs().max() == 0 for gradient in gradients(method, loss))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cpcl_skips_the_forward_process_without_labeled_object(dimensions):
    method = toy_method("cpcl", dimensions)
    losses = method.losses(batch_of(labels_of("no foreground", dimensions, 2)), MIDDLE)
    assert_skipped(method, losses["forward_prototype"].value)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cpcl_skips_the_backward_process_when_the_teacher_sees_no_object(dimensions):
    method = toy_method("cpcl", dimensions)
    only_background(method)
    losses = method.losses(toy_batch(dimensions), MIDDLE)
    assert_skipped(method, losses["backward_prototype"].value)
    assert losses["forward_prototype"].value > 0


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cu2l_skips_what_needs_an_object_until_the_teacher_sees_one(dimensions):
    method, batch = toy_method("cu2l", dimensions), toy_batch(dimensions)
    head = {name: value.clone() for name, value in method.teacher.network.head.state_dict().items()}
    only_background(method)
    first = method.losses(batch, MIDDLE)
    assert_skipped(method, first["unlabeled_to_labeled"].value)
    assert method.unlabeled_bank.valid.tolist() == method.external_bank.valid.tolist() == [True, False]

    method.teacher.network.head.load_state_dict(head)
    assert method.losses(batch, MIDDLE)["unlabeled_to_labeled"].value > 0
    assert method.unlabeled_bank.valid.all()
    assert method.external_bank.valid.all()
    remembered = method.external_bank.vectors[1].clone()

    only_background(method)
    assert method.losses(batch, MIDDLE)["unlabeled_to_labeled"].value > 0, "the bank remembers the object"
    assert torch.equal(method.external_bank.vectors[1], remembered)


def test_cu2l_learns_from_the_site_whose_object_is_known():
    method, batch = toy_method("cu2l"), toy_batch()
    method.losses(batch, MIDDLE)
    only_background(method)
    both = method.losses(batch, MIDDLE)
    method.external_bank.valid[1] = False
    local = method.losses(batch, MIDDLE)
    assert 0 < local["unlabeled_to_labeled"].value < both["unlabeled_to_labeled"].value
    assert 0 < local["category"].value < both["category"].value, "what is left is the background's quarter"


def test_unconfident_pseudo_labels_cost_nothing():
    method, batch = toy_method("cu2l"), toy_batch()
    with torch.no_grad():
        method.teacher.network.head.weight.zero_()
        method.teacher.network.head.bias.zero_()
    losses = method.losses(batch, MIDDLE)
    assert losses["confident_share"].value == 0
    assert losses["pseudo_label"].value.item() == pytest.approx(0, abs=1e-6)
    assert all(gradient.abs().max() == 0 for gradient in gradients(method, losses["pseudo_label"].value))

"""Which part of the student each loss trains, loss by loss; the teacher is never trained."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods.method import MethodContext, TrainingStep
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.jobs.catalogue import resolve

from .toys import METHODS, classifier, toy_batch, toy_images, toy_labels, toy_method

MIDDLE = TrainingStep(500, 1000)
PARTS = ("encoder", "decoder to half resolution", "last decoder stage", "head")
EVERYTHING = set(PARTS)
ENCODER = {"encoder"}
TO_HALF = {"encoder", "decoder to half resolution"}
BEFORE_HEAD = {*TO_HALF, "last decoder stage"}
NOTHING: set[str] = set()
SS_NET = {"supervised": EVERYTHING, "smoothness": EVERYTHING, "class_separation": BEFORE_HEAD}

AUA = {
    "supervised": EVERYTHING,
    "consistency": EVERYTHING,
    "boundary": BEFORE_HEAD,
    "independent_spread": NOTHING,
    "coherent_spread": NOTHING,
}
TRAINED = {
    "supervised": {"supervised": EVERYTHING},
    "unisemi": {
        "supervised": EVERYTHING,
        "synthetic": EVERYTHING,
        "unsupervised": EVERYTHING,
        "mixed_share": NOTHING,
    },
    "mean_teacher": {"supervised": EVERYTHING, "consistency": EVERYTHING},
    "cpcl": {"supervised": EVERYTHING, "forward_prototype": ENCODER, "backward_prototype": ENCODER},
    "cpcl_with_mean_teacher": {
        "supervised": EVERYTHING,
        "forward_prototype": ENCODER,
        "backward_prototype": ENCODER,
        "consistency": EVERYTHING,
    },
    "cpcl_released": {
        "supervised": EVERYTHING,
        "consistency": EVERYTHING,
        "forward_prototype": NOTHING,
        "backward_prototype": NOTHING,
    },
    "cu2l": {
        "supervised": EVERYTHING,
        "pseudo_label": EVERYTHING,
        "confident_share": NOTHING,
        "unlabeled_to_labeled": TO_HALF,
        "category": TO_HALF,
        "stability": EVERYTHING,
    },
    "ua_mt": {"supervised": EVERYTHING, "consistency": EVERYTHING, "certain_share": NOTHING},
    "cps": {"supervised": EVERYTHING, "cross_pseudo": EVERYTHING},
    "dan": {"supervised": EVERYTHING, "adversarial": EVERYTHING},
    "mc_net": {"supervised": EVERYTHING, "mutual_consistency": EVERYTHING},
    "mc_net_plus": {"supervised": EVERYTHING, "mutual_consistency": EVERYTHING},
    "bcp": dict.fromkeys(("inward_annotated", "inward_pseudo", "outward_annotated", "outward_pseudo"), EVERYTHING),
    "ss_net": SS_NET,
    "ss_net_kl": SS_NET,
    "ss_net_released": SS_NET,
    "aua": AUA,
    "aua_released": AUA,
    "cu2l_student_prototypes": {
        "supervised": EVERYTHING,
        "pseudo_label": EVERYTHING,
        "confident_share": NOTHING,
        "unlabeled_to_labeled": TO_HALF,
        "category": TO_HALF,
        "stability": EVERYTHING,
    },
}


def parts_of(network):
    """Return the parameters of each part of a network."""
    decoder = network.decoder
    last = {id(p) for p in decoder.stages[-1].parameters()}
    return {
        "encoder": list(network.encoder.parameters()),
        "decoder to half resolution": [p for p in decoder.parameters() if id(p) not in last],
        "last decoder stage": [p for p in decoder.parameters() if id(p) in last],
        "head": list(network.head.parameters()),
    }


def trained_parts(method, loss):
    """Return the parts that a loss gives a gradient; in those, every convolution gets some."""
    method.zero_grad()
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    trained = set()
    for part, parameters in parts_of(method.student).items():
        kernels = [p for p in parameters if p.dim() > 1]
        reached = [p.grad is not None and p.grad.abs().max().item() > 0 for p in kernels]
        assert all(reached) or not any(p.grad is not None and p.grad.abs().max() > 0 for p in parameters), part
        trained |= {part} if all(reached) else set()
    return trained


def confident_teacher(method):
    """Make the teacher sure enough for pseudo labels, and different from the student."""
    if hasattr(method, "teacher"):
        with torch.no_grad():
            classifier(method.teacher.network).weight.mul_(6)


def assert_routing(method, batch, expected):
    confident_teacher(method)
    losses = method.losses(batch, MIDDLE)
    assert {name: trained_parts(method, loss.value) for name, loss in losses.items()} == expected
    if hasattr(method, "teacher"):
        assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("variant", METHODS)
def test_each_loss_trains_the_parts_it_should(variant, dimensions, classes):
    assert_routing(toy_method(variant, dimensions, classes), toy_batch(dimensions, classes), TRAINED[variant])


@pytest.mark.parametrize(
    ("variant", "network", "size"),
    [("cu2l", "unet_2d", (32, 32)), ("cpcl", "unet_3d", (32, 32, 32)), ("cpcl_released", "v_net", (16, 16, 32))],
)
def test_routing_in_the_networks_of_the_papers(variant, network, size):
    method_id, settings = METHODS[variant]
    dimensions = len(size)
    values = resolve(method_id, "paper", settings, dimensions)
    method = build_method(method_id, MethodContext(partial(build_network, network, 1, 2), 2, dimensions, values))
    labels = toy_labels(2, size, 2)
    batch = toy_batch(dimensions)
    batch = Batch(Labeled(toy_images(labels), labels), Unlabeled(toy_images(labels)), Unlabeled(toy_images(labels)))
    assert_routing(method, batch, TRAINED[variant])


@pytest.mark.parametrize("variant", METHODS)
def test_the_student_is_trained_and_the_teacher_is_not(variant):
    method = toy_method(variant)
    trainable = {id(p) for objective in method.objectives() for p in objective.module.parameters() if p.requires_grad}
    assert trainable == {id(p) for name, p in method.named_parameters() if not name.startswith("teacher")}
    assert trainable >= {id(p) for p in method.student.parameters()}


@pytest.mark.parametrize(("student_prototypes", "reached"), [(False, False), (True, True)])
def test_second_term_of_category_regularization_trains_only_with_student_prototypes(student_prototypes, reached):
    """Without batch statistics, the loss reaches the unlabeled images only through prototypes of the student."""
    method = toy_method("cu2l", student_unlabeled_prototypes=student_prototypes).eval()
    confident_teacher(method)
    batch = toy_batch()
    batch.unlabeled.images.requires_grad_()
    batch.external.images.requires_grad_()
    method.losses(batch, MIDDLE)["category"].value.backward()
    for images in (batch.unlabeled.images, batch.external.images):
        assert (images.grad is not None and images.grad.abs().max().item() > 0) == reached


def test_forward_consistency_reaches_the_student_through_labeled_images_only():
    method, batch = toy_method("cpcl"), toy_batch()
    batch.labeled.images.requires_grad_()
    batch.unlabeled.images.requires_grad_()
    method.losses(batch, MIDDLE)["forward_prototype"].value.backward()
    assert batch.labeled.images.grad.abs().max() > 0
    assert batch.unlabeled.images.grad is None

"""CU2L against its formulas in float64, its ablations, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.networks.factory import build_network

from .. import reference
from ..reference import array
from .checks import (
    EVERYTHING,
    NOTHING,
    TO_HALF,
    TeacherStudentChecks,
    assert_learned_alone,
    assert_routing,
    assert_skipped,
    gradients,
    make_confident,
    see_only_background,
)
from .toys import (
    MIDDLE,
    SHAPES,
    SIZES,
    Recorder,
    assert_noise,
    batch_of,
    build_on,
    toy_batch,
    toy_labels,
    toy_method,
    values,
    weights,
)

TRAINED = {
    "supervised": EVERYTHING,
    "pseudo_label": EVERYTHING,
    "confident_share": NOTHING,
    "unlabeled_to_labeled": TO_HALF,
    "category": TO_HALF,
    "stability": EVERYTHING,
}
STUDENT_PROTOTYPES = {"student_unlabeled_prototypes": True, "clean_student_pass": True}
VARIANTS = {"paper": {}, "student_prototypes": STUDENT_PROTOTYPES}
ABLATIONS = {
    "CU2L": ((), set()),
    "CU2L-1": (("use_pseudo_labels",), {"pseudo_label", "confident_share"}),
    "CU2L-2": (("use_unlabeled_to_labeled", "use_category_regularization"), {"unlabeled_to_labeled", "category"}),
    "CU2L-3": (("use_category_regularization",), {"category"}),
    "CU2L-4": (("use_stability",), {"stability"}),
}
RAMP = [(0, math.exp(-5)), (500, math.exp(-1.25)), (1000, 1.0)]


class TestCU2L(TeacherStudentChecks):
    method, variants, trained = "cu2l", VARIANTS, TRAINED


class CU2LReference:
    """CU2L of one step from the recorded passes; keeps the averaged prototypes from step to step."""

    def __init__(self, size, classes):
        self.size, self.classes = size, classes
        self.banks = [None, None]

    def average(self, site, vectors):
        bank = self.banks[site]
        self.banks[site] = vectors if bank is None else 0.9 * bank + 0.1 * vectors
        return self.banks[site]

    def losses(self, labels, student, clean, noisy, threshold):
        logits, teacher = array(student.logits), array(clean.logits)
        target = reference.indicators(labels, self.classes)
        probabilities = reference.softmax(teacher[:2])
        pseudo = reference.indicators(probabilities.argmax(axis=1), self.classes)
        mask = probabilities.max(axis=1) >= threshold

        weights, features = reference.confidence_weights(teacher), array(clean.decoder_half)
        u2l, sites = 0.0, []
        for site, part in enumerate((slice(0, 2), slice(2, 4))):
            vectors, valid = reference.pooled_prototypes(features[part], weights[part])
            assert valid.all()
            sites.append(self.average(site, vectors))
            cosines = reference.similarity(array(student.decoder_half)[:2], sites[-1], self.size, 1 / 0.05)
            u2l += reference.regional_dice(reference.softmax(cosines), target, None, 2)
        own, _ = reference.pooled_prototypes(array(student.decoder_half)[:2], target)
        return {
            "supervised": reference.supervised(logits[:2], labels, 2),
            "pseudo_label": reference.regional_dice(reference.softmax(logits[2:4]), pseudo, mask, 2),
            "confident_share": mask.mean(),
            "unlabeled_to_labeled": u2l,
            "category": reference.prototype_regularization(own, *sites),
            "stability": np.mean((array(noisy.logits) - logits[2:]) ** 2),
        }


@pytest.mark.parametrize("shape", SHAPES)
def test_values_over_three_steps(shape):
    method, batch = toy_method("cu2l", *shape), toy_batch(*shape)
    make_confident(method)
    recorder, expected = Recorder(method), CU2LReference(SIZES[shape[0]], shape[1])
    labels, others = batch.labeled.labels.numpy(), torch.cat([batch.unlabeled.images, batch.external.images])
    for step in (0, 500, 1000):
        losses = values(method.losses(batch, TrainingStep(step, 1000)))
        ((student_images, student),), ((clean_images, clean), (noisy_images, noisy)) = (
            recorder.student,
            recorder.teacher,
        )
        assert torch.equal(student_images[:2], batch.labeled.images)
        assert torch.equal(clean_images, others)
        assert_noise(student_images[2:], others)
        assert_noise(noisy_images, others)
        assert not torch.equal(student_images[2:], noisy_images)
        threshold = 0.75 + 0.15 * np.exp(-5 * (1 - step / 1000) ** 2)
        wanted = expected.losses(labels, student, clean, noisy, threshold)
        assert losses == pytest.approx(wanted, abs=1e-5)
        assert 0 < losses["confident_share"] < 1
        with torch.no_grad():
            for parameter in method.teacher.network.parameters():
                parameter.mul_(1.02)
        recorder.student.clear()
        recorder.teacher.clear()


def test_pseudo_labels_of_the_clean_pass():
    method, batch = toy_method("cu2l", clean_student_pass=True), toy_batch()
    make_confident(method)
    recorder = Recorder(method)
    losses = values(method.losses(batch, MIDDLE))
    images, student = recorder.student[1]
    probabilities = reference.softmax(array(recorder.teacher[0][1].logits)[:2])
    mask = probabilities.max(axis=1) >= method.threshold(MIDDLE)
    pseudo = reference.indicators(probabilities.argmax(axis=1), 2)
    assert images is batch.unlabeled.images
    assert losses["pseudo_label"] == pytest.approx(
        reference.regional_dice(reference.softmax(array(student.logits)), pseudo, mask, 2), abs=1e-5
    )


def test_category_regularization_on_prototypes_of_the_student():
    method, batch = toy_method("cu2l", student_unlabeled_prototypes=True), toy_batch()
    make_confident(method)
    recorder = Recorder(method)
    losses = values(method.losses(batch, MIDDLE))
    features = array(recorder.student[0][1].decoder_half)
    weights = reference.confidence_weights(array(recorder.teacher[0][1].logits))
    own = reference.pooled_prototypes(features[:2], reference.indicators(batch.labeled.labels.numpy(), 2))[0]
    local = reference.pooled_prototypes(features[2:4], weights[:2])[0]
    external = reference.pooled_prototypes(features[4:], weights[2:])[0]
    assert losses["category"] == pytest.approx(reference.prototype_regularization(own, local, external), abs=1e-5)


def test_routing_in_the_2d_unet_of_the_paper():
    method = build_on(lambda: build_network("unet_2d", 1, 2), "cu2l", 2, 2)
    assert_routing(method, batch_of(toy_labels(2, (32, 32), 2)), TRAINED)


@pytest.mark.parametrize(("student_prototypes", "reached"), [(False, False), (True, True)])
def test_second_term_of_category_regularization_trains_only_with_student_prototypes(student_prototypes, reached):
    """Without batch statistics, the loss reaches the unlabeled images only through prototypes of the student."""
    method = toy_method("cu2l", student_unlabeled_prototypes=student_prototypes).eval()
    make_confident(method)
    batch = toy_batch()
    batch.unlabeled.images.requires_grad_()
    batch.external.images.requires_grad_()
    method.losses(batch, MIDDLE)["category"].value.backward()
    for images in (batch.unlabeled.images, batch.external.images):
        assert (images.grad is not None and images.grad.abs().max().item() > 0) == reached


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_ablations(ablation):
    off, missing = ABLATIONS[ablation]
    method = toy_method("cu2l", **dict.fromkeys(off, False))
    assert set(method.losses(toy_batch(), TrainingStep(0, 10))) == set(TRAINED) - missing


@pytest.mark.parametrize(("step", "ramp"), RAMP)
def test_weights_of_the_paper(step, ramp):
    ramped = dict.fromkeys(TRAINED, 0.1 * ramp)
    assert weights("cu2l", TrainingStep(step, 1000)) == pytest.approx(
        ramped | {"supervised": 1.0, "confident_share": 0.0}
    )


@pytest.mark.parametrize(
    ("step", "threshold"),
    [(0, 0.75 + 0.15 * math.exp(-5)), (500, 0.75 + 0.15 * math.exp(-1.25)), (1000, 0.9)],
)
def test_confidence_threshold_rises_from_075_to_09(step, threshold):
    assert toy_method("cu2l").threshold(TrainingStep(step, 1000)) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("name", "rate", "settings"),
    [
        ("pseudo_label", 0.05, {}),
        ("unlabeled_to_labeled", 0.05, {}),
        ("category", 0.5, {}),
        ("category", 0.5, STUDENT_PROTOTYPES),
        ("stability", 0.05, {}),
    ],
)
def test_each_loss_alone_can_be_learned(name, rate, settings):
    assert_learned_alone(toy_method("cu2l", 2, 4, **settings), name, rate, MIDDLE)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_it_skips_what_needs_an_object_until_the_teacher_sees_one(dimensions):
    method, batch = toy_method("cu2l", dimensions), toy_batch(dimensions)
    head = {name: value.clone() for name, value in method.teacher.network.head.state_dict().items()}
    see_only_background(method.teacher.network)
    first = method.losses(batch, MIDDLE)
    assert_skipped(method, first["unlabeled_to_labeled"])
    assert method.unlabeled_bank.valid.tolist() == method.external_bank.valid.tolist() == [True, False]

    method.teacher.network.head.load_state_dict(head)
    assert method.losses(batch, MIDDLE)["unlabeled_to_labeled"].value > 0
    assert method.unlabeled_bank.valid.all()
    assert method.external_bank.valid.all()
    remembered = method.external_bank.vectors[1].clone()

    see_only_background(method.teacher.network)
    assert method.losses(batch, MIDDLE)["unlabeled_to_labeled"].value > 0, "the bank remembers the object"
    assert torch.equal(method.external_bank.vectors[1], remembered)


def test_it_learns_from_the_site_whose_object_is_known():
    method, batch = toy_method("cu2l"), toy_batch()
    method.losses(batch, MIDDLE)
    see_only_background(method.teacher.network)
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

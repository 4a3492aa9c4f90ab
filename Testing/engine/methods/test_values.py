"""Every loss of every method, recomputed in float64 from what its networks saw and answered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .toys import SIZES, Recorder, toy_batch, toy_method, values

SHAPES = [(2, 2), (2, 4), (3, 2), (3, 4)]
MIDDLE = TrainingStep(500, 1000)


def run(variant, shape, training_step=MIDDLE, **settings):
    """Return the losses of one step as numbers, the batch, the recorder and the method."""
    method, batch = toy_method(variant, *shape, **settings), toy_batch(*shape)
    recorder = Recorder(method)
    return values(method.losses(batch, training_step)), batch, recorder, method


def assert_noise(noisy, clean):
    """Noise of deviation 0.1, clipped at 0.2."""
    noise = array(noisy - clean)
    assert abs(noise).max() == pytest.approx(0.2, abs=1e-5)
    assert 0.08 < noise.std() < 0.1
    assert abs(noise.mean()) < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_supervised(shape):
    losses, batch, recorder, _ = run("supervised", shape)
    ((images, output),) = recorder.student
    assert images is batch.labeled.images
    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(output.logits), batch.labeled.labels.numpy()), abs=1e-5)
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_teacher(shape):
    losses, batch, recorder, _ = run("mean_teacher", shape)
    ((student_images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert torch.equal(student_images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert_noise(teacher_images, batch.unlabeled.images)
    student, teacher = array(student.logits), array(teacher.logits)
    assert losses == {
        "supervised": pytest.approx(reference.supervised(student[:2], batch.labeled.labels.numpy()), abs=1e-5),
        "consistency": pytest.approx(
            np.mean((reference.softmax(student[2:]) - reference.softmax(teacher)) ** 2), abs=1e-5
        ),
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_cpcl(shape):
    losses, batch, recorder, _ = run("cpcl", shape)
    ((student_images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert student_images is batch.labeled.images, "CPCL employs no perturbation"
    assert teacher_images is batch.unlabeled.images
    labels, size, classes = batch.labeled.labels.numpy(), SIZES[shape[0]], shape[1]
    student_features, teacher_features = array(student.bottleneck), array(teacher.bottleneck)
    probabilities = reference.softmax(array(teacher.logits))

    own, _ = reference.image_mean_prototypes(student_features, reference.indicators(labels, classes))
    forward = reference.softmax(reference.similarity(teacher_features, own, size, 20.0)) - probabilities

    pseudo = reference.indicators(probabilities.argmax(axis=1), classes)
    unlabeled, valid = reference.image_mean_prototypes(teacher_features, pseudo)
    present = np.flatnonzero(valid)
    assert len(present) >= 2
    cosines = np.full((len(labels), classes, *size), -np.inf)
    cosines[:, present] = reference.similarity(student_features, unlabeled[present], size, 20.0)
    backward = reference.cross_entropy(cosines, labels, valid[labels])

    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(student.logits), labels), abs=1e-5),
        "forward_prototype": pytest.approx(np.mean(forward**2), abs=1e-5),
        "backward_prototype": pytest.approx(backward, abs=1e-5),
    }


def test_mean_teacher_term_of_cpcl_perturbs_both_networks_differently():
    losses, batch, recorder, _ = run("cpcl_with_mean_teacher", (2, 2), use_forward=False, use_backward=False)
    (_, (student_images, student)), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    assert_noise(student_images, batch.unlabeled.images)
    assert_noise(teacher_images, batch.unlabeled.images)
    correlation = np.corrcoef(
        array(student_images - batch.unlabeled.images).ravel(), array(teacher_images - batch.unlabeled.images).ravel()
    )[0, 1]
    assert abs(correlation) < 0.1
    expected = np.mean((reference.softmax(array(student.logits)) - reference.softmax(array(teacher.logits))) ** 2)
    assert losses["consistency"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_released_cpcl(shape):
    losses, batch, recorder, _ = run("cpcl_released", shape)
    ((student_images, student),), ((teacher_images, teacher),) = recorder.student, recorder.teacher
    images = torch.cat([batch.labeled.images, batch.unlabeled.images])
    assert torch.equal(student_images, images)
    assert_noise(teacher_images, images)
    labels, size, classes = batch.labeled.labels.numpy(), SIZES[shape[0]], shape[1]
    student_logits, teacher_logits = array(student.logits), array(teacher.logits)
    student_features, teacher_features = array(student.bottleneck)[:2], array(teacher.bottleneck)[2:]
    own = reference.indicators(labels, classes) * reference.softmax(student_logits[:2])
    pseudo = reference.confidence_weights(teacher_logits[2:])

    def paired(support, weights, query):
        maps = np.zeros((2, classes, *size))
        for b in range(2):
            vectors, valid = reference.pooled_prototypes(support[b : b + 1], weights[b : b + 1])
            maps[b, valid] = reference.softmax(reference.similarity(query[b : b + 1], vectors[valid], size, 20.0))[0]
        return maps

    forward = paired(student_features, own, teacher_features) - reference.softmax(teacher_logits[2:])
    backward = paired(teacher_features, pseudo, student_features)
    assert losses == {
        "supervised": pytest.approx(reference.supervised(student_logits[:2], labels), abs=1e-5),
        "consistency": pytest.approx(np.mean((student_logits - teacher_logits) ** 2), abs=1e-5),
        "forward_prototype": pytest.approx(np.mean(forward**2), abs=1e-5),
        # Probabilities are taken for logits, as released.
        "backward_prototype": pytest.approx(reference.cross_entropy(backward, labels), abs=1e-5),
    }


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


def all_classes_predicted(method):
    """Spread the teacher's predictions over all classes, confident ones among them."""
    with torch.no_grad():
        method.teacher.network.head.weight.mul_(6)


@pytest.mark.parametrize("shape", SHAPES)
def test_cu2l_over_three_steps(shape):
    method, batch = toy_method("cu2l", *shape), toy_batch(*shape)
    all_classes_predicted(method)
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
    all_classes_predicted(method)
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
    all_classes_predicted(method)
    recorder = Recorder(method)
    losses = values(method.losses(batch, MIDDLE))
    features = array(recorder.student[0][1].decoder_half)
    weights = reference.confidence_weights(array(recorder.teacher[0][1].logits))
    own = reference.pooled_prototypes(features[:2], reference.indicators(batch.labeled.labels.numpy(), 2))[0]
    local = reference.pooled_prototypes(features[2:4], weights[:2])[0]
    external = reference.pooled_prototypes(features[4:], weights[2:])[0]
    assert losses["category"] == pytest.approx(reference.prototype_regularization(own, local, external), abs=1e-5)

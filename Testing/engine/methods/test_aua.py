"""AUA: both stages against formulas in float64, the way between them, its ablations, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods import aua
from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from ..reference_aua import energy, marginal_likelihood, pair_contrast
from .aua_stages import FIRST, FORMS, RELEASED, SECOND, SMALL, VARIANTS, half_dice, second_stage
from .checks import (
    BEFORE_HEAD,
    EVERYTHING,
    NOTHING,
    TeacherStudentChecks,
    assert_learned_alone,
)
from .toys import (
    CHANNELS,
    SHAPES,
    Recorder,
    in_float64,
    toy_batch,
    toy_method,
    values,
    weights,
)

TRAINED = {
    "supervised": EVERYTHING,
    "consistency": EVERYTHING,
    "boundary": BEFORE_HEAD,
    "independent_spread": NOTHING,
    "coherent_spread": NOTHING,
    "pseudo_label": EVERYTHING,
    "prototype_labeled": BEFORE_HEAD,
    "prototype_unlabeled": BEFORE_HEAD,
    "prototype_gradient": NOTHING,
}


class TestAUA(TeacherStudentChecks):
    method, variants, trained = "aua", VARIANTS, TRAINED
    stages = ("uncertainty", "retraining")
    overfit_share = 0.6

    def make_optimizer(self, method):
        return torch.optim.SGD(method.parameters(), lr=0.05, momentum=0.9)


class Draws:
    """Keeps what was drawn at random while a loss was computed: samples of logits, and voxels near boundaries."""

    def __init__(self, monkeypatch):
        self.samples, self.voxels = [], []
        for name, kept in (("antithetic_samples", self.samples), ("draw_voxels", self.voxels)):
            monkeypatch.setattr(aua, name, self.keeping(getattr(aua, name), kept))

    def keeping(self, function, kept):
        def wrapped(*arguments):
            kept.append(function(*arguments))
            return kept[-1]

        return wrapped


@pytest.mark.parametrize("variant", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_the_first_stage(variant, shape, monkeypatch):
    method, batch = in_float64(toy_method("aua", *shape, **FORMS[variant], **SMALL), toy_batch(*shape))
    recorder, draws = Recorder(method), Draws(monkeypatch)
    losses = values(method.losses(batch, FIRST))
    ((student_images, student),), ((teacher_images, _),) = recorder.student, recorder.teacher
    images, labels = torch.cat([batch.labeled.images, batch.unlabeled.images]), batch.labeled.labels
    assert torch.equal(student_images, images)
    assert 0 < (teacher_images - batch.unlabeled.images).abs().max() <= 0.2 + 1e-6
    ours, theirs = map(array, draws.samples)
    assert (ours.shape[:2], theirs.shape[:2]) == ((4, 6), (2, 6))
    logits = array(student.logits)
    np.testing.assert_allclose(ours.mean(axis=1), logits, atol=1e-5)

    likelihood = marginal_likelihood(ours[:2], labels.numpy())
    assert losses["supervised"] == pytest.approx(half_dice(likelihood, logits[:2], labels.numpy()), abs=1e-5)

    first = 1 if variant == "aua" else 0
    # Only the unlabeled images are asked to agree (section III-C).
    distance = energy(*(reference.softmax(drawn, 2)[:, :, first:] for drawn in (ours[2:], theirs)))
    assert losses["consistency"] == pytest.approx(distance, abs=1e-10)
    assert distance > 0

    ((indices, counted),) = draws.voxels
    projected = np.moveaxis(array(method.projection(student.decoder_full[:2])), 1, -1).reshape(2, -1, CHANNELS[0])
    vectors = np.take_along_axis(projected, indices.numpy()[..., None], axis=1)
    classes = np.take_along_axis(labels.flatten(1).numpy(), indices.numpy(), axis=1)
    assert len(np.unique(classes[counted.numpy()])) == shape[1]
    assert losses["boundary"] == pytest.approx(pair_contrast(vectors, classes, counted.numpy(), 0.07), abs=1e-4)


def test_tissue_decides_where_there_is_uncertainty(monkeypatch):
    method, batch, draws = toy_method("aua", tissue_only=True), toy_batch(), Draws(monkeypatch)
    for stream in (batch.labeled, batch.unlabeled):
        stream.images.clamp_(min=0)  # The background has one value, as where an image is 0.
    method.losses(batch, FIRST)
    images = torch.cat([batch.labeled.images, batch.unlabeled.images])
    bright = images > images.amin(dim=(1, 2, 3), keepdim=True)
    apart = (draws.samples[0][:, :1] - draws.samples[0][:, 3:4]).abs().amax(dim=(1, 2)).unsqueeze(1)
    assert apart[~bright].max() < 0.05 < apart[bright].mean()


def test_teacher_and_its_head_follow_the_student_in_the_first_stage():
    method = toy_method("aua")
    with torch.no_grad():
        for parameter in [*method.student.parameters(), *method.uncertainty.parameters()]:
            parameter.add_(1)
    method.after_step(TrainingStep(0, 10, "uncertainty"))
    for ours, theirs in ((method.student, method.teacher), (method.uncertainty, method.teacher_uncertainty)):
        assert all(map(torch.equal, ours.parameters(), theirs.network.parameters()))


def reached(method, loss):
    method.zero_grad()
    if loss.value.requires_grad:
        loss.value.backward(retain_graph=True)
    return {
        name.split(".")[0] if not name.startswith("student.head") else "head"
        for name, parameter in method.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }


@pytest.mark.parametrize("variant", FORMS)
@pytest.mark.parametrize("shape", [(2, 4), (3, 2)])
def test_what_the_losses_train_beside_the_network(variant, shape):
    method = toy_method("aua", *shape, **FORMS[variant], **SMALL)
    losses = method.losses(toy_batch(*shape), FIRST)
    expected = {
        "supervised": {"student", "head", "uncertainty"},
        "consistency": {"student", "head", "uncertainty"},
        "boundary": {"student", "projection"},
        "independent_spread": set(),
        "coherent_spread": set(),
    }
    assert {name: reached(method, loss) for name, loss in losses.items()} == expected

    method, _ = second_stage(variant, *shape, prototype_temperature=1.0)
    losses = method.losses(toy_batch(*shape), SECOND)
    expected = {
        "supervised": {"student", "head"},
        "pseudo_label": {"student", "head"},
        "prototype_labeled": {"student"},
        "prototype_unlabeled": {"student"},
        "prototype_gradient": set(),
    }
    assert {name: reached(method, loss) for name, loss in losses.items()} == expected


STAGE_ONE = {"supervised", "consistency", "independent_spread", "coherent_spread"}
STAGE_TWO = {"supervised", "pseudo_label"}
PROTOTYPES = {"prototype_labeled", "prototype_unlabeled", "prototype_gradient"}
LADDER = {
    "AUA": ({"use_boundary": False, "use_retraining": False}, STAGE_ONE, None),
    "AUA + BCL": ({"use_retraining": False}, {*STAGE_ONE, "boundary"}, None),
    "AUA + BCL + pseudo-labels": ({"use_prototypes": False}, {*STAGE_ONE, "boundary"}, STAGE_TWO),
    "full": ({}, {*STAGE_ONE, "boundary"}, STAGE_TWO | PROTOTYPES),
}


@pytest.mark.parametrize("rung", LADDER)
def test_ladder_of_ablations(rung):
    settings, first, second = LADDER[rung]
    method, batch = toy_method("aua", **SMALL, **settings), toy_batch()
    stages = method.stages()
    assert sum(stage.share for stage in stages) == 1
    assert [stage.name for stage in stages] == ["uncertainty", "retraining"][: 1 if second is None else 2]
    assert set(method.losses(batch, FIRST)) == first
    if second is not None:
        method.start_stage(stages[1], lambda step: batch)
        assert set(method.losses(batch, SECOND)) == second
        assert (method.prototypes.counts > 0).all() == ("prototype_labeled" in second)


def test_published_weights_and_lengths():
    expected = {"supervised": 1.0, "consistency": 0.15 * math.exp(-5 * 0.25), "boundary": 0.09}
    found = weights("aua", TrainingStep(3000, 6000, "uncertainty"))
    assert found == pytest.approx(expected | {"independent_spread": 0.0, "coherent_spread": 0.0})
    method, _ = second_stage()
    found = {name: loss.weight for name, loss in method.losses(toy_batch(), SECOND).items()}
    expected = {"supervised": 1.0, "pseudo_label": 1.0, "prototype_labeled": 0.1, "prototype_unlabeled": 0.1}
    assert found == pytest.approx(expected | {"prototype_gradient": 0.0})
    settings = method.settings
    assert [round(stage.share * settings["steps"]) for stage in method.stages()] == [6000, 6000]
    assert (settings["rank"], settings["sample_pairs"], settings["prototype_temperature"]) == (8, 3, 100.0)
    released = toy_method("aua", **RELEASED)
    assert [round(stage.share * released.settings["steps"]) for stage in released.stages()] == [3000, 6000]
    weight = weights("aua", TrainingStep(2999, 3000, "uncertainty"), **RELEASED)["consistency"]
    assert weight == pytest.approx(0.15 * math.exp(-5 * (1 - 2850 / 6000) ** 2))


@pytest.mark.parametrize(("name", "rate"), [("consistency", 1.0), ("boundary", 0.02)])
def test_each_loss_of_the_first_stage_can_be_learned_alone(name, rate):
    assert_learned_alone(toy_method("aua", 2, 4, boundary_voxels=200), name, rate, FIRST, steps=20)

"""AUA: both stages against numbers written anew, what each stage trains, the way between them, and the ablations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods import aua
from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.networks.factory import build_network

from .. import reference
from ..reference import array
from ..reference_aua import energy, gaussian_contrast, marginal_likelihood, pair_contrast
from .toys import CHANNELS, Recorder, toy_batch, toy_images, toy_labels, toy_method, values, weighted_sum

SHAPES = [(2, 2), (2, 4), (3, 2), (3, 4)]
FIRST, SECOND = TrainingStep(500, 1000, "uncertainty"), TrainingStep(500, 1000, "retraining")
SMALL = {"boundary_voxels": 30, "prototype_batches": 3}


def second_stage(variant="aua", dimensions=2, classes=2, **settings):
    """Return a method at the start of its second stage, and the batches that its prototypes were gathered from."""
    method, drawn = toy_method(variant, dimensions, classes, **{**SMALL, **settings}), []

    def draw(step):
        assert step == len(drawn)
        drawn.append(toy_batch(dimensions, classes, count=2 + step % 2))
        return drawn[-1]

    optimizer = torch.optim.Adam(method.student.parameters(), lr=0.02)
    for _ in range(20):  # An untrained labeler may see one class everywhere.
        labeled = toy_batch(dimensions, classes).labeled
        functional.cross_entropy(method.student(labeled.images).logits, labeled.labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    stages = method.stages()
    assert stages[1].name == SECOND.stage
    method.start_stage(stages[0], draw)
    assert not drawn
    method.start_stage(stages[1], draw)
    return method, drawn


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


def half_dice(cross_entropy, logits, labels):
    target = reference.indicators(labels, logits.shape[1])
    return 0.5 * (cross_entropy + reference.dice(reference.softmax(logits), target, first=1))


@pytest.mark.parametrize("variant", ["aua", "aua_released"])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_the_first_stage(variant, shape, monkeypatch):
    method, batch = toy_method(variant, *shape, **SMALL), toy_batch(*shape)
    recorder, draws = Recorder(method), Draws(monkeypatch)
    losses = values(method.losses(batch, FIRST))
    ((student_images, student),), ((teacher_images, _),) = recorder.student, recorder.teacher
    images, labels = torch.cat([batch.labeled.images, batch.unlabeled.images]), batch.labeled.labels
    assert torch.equal(student_images, images)
    assert 0 < (teacher_images - images).abs().max() <= 0.2 + 1e-6
    ours, theirs = map(array, draws.samples)
    assert ours.shape[:2] == theirs.shape[:2] == (4, 6)
    logits = array(student.logits)
    np.testing.assert_allclose(ours.mean(axis=1), logits, atol=1e-5)

    likelihood = marginal_likelihood(ours[:2], labels.numpy())
    assert losses["supervised"] == pytest.approx(half_dice(likelihood, logits[:2], labels.numpy()), abs=1e-5)

    first = 1 if variant == "aua" else 0
    distance = energy(*(reference.softmax(drawn, 2)[:, :, first:] for drawn in (ours, theirs)))
    assert losses["consistency"] == pytest.approx(distance, abs=1e-5)
    assert distance > 0

    ((indices, counted),) = draws.voxels
    projected = np.moveaxis(array(method.projection(student.decoder_full[:2])), 1, -1).reshape(2, -1, CHANNELS[0])
    vectors = np.take_along_axis(projected, indices.numpy()[..., None], axis=1)
    classes = np.take_along_axis(labels.flatten(1).numpy(), indices.numpy(), axis=1)
    assert len(np.unique(classes[counted.numpy()])) == shape[1]
    assert losses["boundary"] == pytest.approx(pair_contrast(vectors, classes, counted.numpy(), 0.07), abs=1e-4)


def test_tissue_decides_where_there_is_uncertainty(monkeypatch):
    method, batch, draws = toy_method("aua", tissue_only=True), toy_batch(), Draws(monkeypatch)
    method.losses(batch, FIRST)
    bright = torch.cat([batch.labeled.images, batch.unlabeled.images]) > 0
    apart = (draws.samples[0][:, :1] - draws.samples[0][:, 3:4]).abs().amax(dim=(1, 2)).unsqueeze(1)
    assert apart[~bright].max() < 0.05 < apart[bright].mean()


@pytest.mark.parametrize("variant", ["aua", "aua_released"])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_the_second_stage(variant, shape):
    (method, drawn), batch = second_stage(variant, *shape, prototype_temperature=2.0), toy_batch(*shape)
    recorder = Recorder(method)
    with torch.no_grad():
        labeler = [array(method.label(each.labeled.images).decoder_full) for each in drawn]
    losses = values(method.losses(batch, SECOND))
    ((images, student),) = recorder.student
    pseudo = array(recorder.teacher[-1][1].logits).argmax(axis=1)
    assert recorder.teacher[-1][0] is batch.unlabeled.images
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    labels, logits, features = batch.labeled.labels.numpy(), array(student.logits), array(student.decoder_full)

    def rows(maps):
        return np.moveaxis(maps, 1, -1).reshape(-1, CHANNELS[0])

    for name, part, truth in (("supervised", logits[:2], labels), ("pseudo_label", logits[2:], pseudo)):
        expected = half_dice(reference.cross_entropy(part, truth), part, truth)
        assert losses[name] == pytest.approx(expected, abs=1e-5)

    seen = np.concatenate([*map(rows, labeler), rows(features[:2])])
    truth = np.concatenate([*(each.labeled.labels.numpy().ravel() for each in drawn), labels.ravel()])
    means = [seen[truth == label].mean(axis=0) for label in range(shape[1])]
    covariances = [np.cov(seen[truth == label].T, bias=True) for label in range(shape[1])]
    anchors = range(shape[1])
    if variant == "aua_released":
        means = [mean / np.linalg.norm(mean) for mean in means]
        covariances = [np.diag(np.diag(matrix) / np.linalg.norm(np.diag(matrix))) for matrix in covariances]
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        anchors = range(1, shape[1])
    for name, part, target in (("labeled", features[:2], labels), ("unlabeled", features[2:], pseudo)):
        assert set(target.ravel()) >= set(anchors)
        expected = gaussian_contrast(rows(part), target.ravel(), means, covariances, 2.0, anchors)
        assert losses[f"prototype_{name}"] == pytest.approx(expected, abs=2e-5, rel=2e-5)


def test_the_gradient_of_the_prototypes_is_told():
    (method, _), batch = second_stage(), toy_batch()
    recorder = Recorder(method)
    losses = method.losses(batch, SECOND)
    ((_, student),) = recorder.student
    both = losses["prototype_labeled"].value + losses["prototype_unlabeled"].value
    (gradient,) = torch.autograd.grad(both, student.decoder_full)
    assert losses["prototype_gradient"].value.item() == pytest.approx(gradient.norm().item(), rel=1e-4)
    assert losses["prototype_gradient"].weight == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_second_stage_begins_with_a_new_student_and_the_old_one_as_labeler(shape):
    method = toy_method("aua", *shape, **SMALL)
    with torch.no_grad():
        for _ in range(3):
            method.student(toy_images(toy_labels(2, (16,) * shape[0], shape[1])) + 5)
    before = {name: value.clone() for name, value in method.student.state_dict().items()}
    method.start_stage(method.stages()[1], lambda step: toy_batch(*shape))
    labeler, student = method.teacher.network.state_dict(), method.student.state_dict()
    assert all(torch.equal(labeler[name], value) for name, value in before.items())
    kernels = [name for name, value in student.items() if value.dim() > 1]
    assert not any(torch.equal(student[name], before[name]) for name in kernels)
    statistics = [name for name in student if name.endswith("running_mean")]
    assert all(student[name].abs().max() == 0 for name in statistics)


def test_the_labeler_stands_still_in_evaluation_mode():
    (method, _), batch = second_stage(), toy_batch()
    method.train()
    state = {name: value.clone() for name, value in method.teacher.state_dict().items()}
    optimizer = torch.optim.SGD(method.objectives()[0].module.parameters(), lr=0.1)
    for step in range(3):
        weighted_sum(method.losses(batch, TrainingStep(step, 3, "retraining"))).backward()
        optimizer.step()
        method.after_step(TrainingStep(step, 3, "retraining"))
    assert all(torch.equal(method.teacher.state_dict()[name], value) for name, value in state.items())
    assert not method.teacher.network.training
    assert method.student.training


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


@pytest.mark.parametrize("variant", ["aua", "aua_released"])
@pytest.mark.parametrize("shape", [(2, 4), (3, 2)])
def test_what_the_losses_train_beside_the_network(variant, shape):
    method = toy_method(variant, *shape, **SMALL)
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
    method = toy_method("aua")
    weights = {
        name: loss.weight for name, loss in method.losses(toy_batch(), TrainingStep(3000, 6000, "uncertainty")).items()
    }
    expected = {"supervised": 1.0, "consistency": 0.15 * math.exp(-5 * 0.25), "boundary": 0.09}
    assert weights == pytest.approx(expected | {"independent_spread": 0.0, "coherent_spread": 0.0})
    method, _ = second_stage()
    weights = {name: loss.weight for name, loss in method.losses(toy_batch(), SECOND).items()}
    expected = {"supervised": 1.0, "pseudo_label": 1.0, "prototype_labeled": 0.1, "prototype_unlabeled": 0.1}
    assert weights == pytest.approx(expected | {"prototype_gradient": 0.0})
    settings = method.settings
    assert [round(stage.share * settings["steps"]) for stage in method.stages()] == [6000, 6000]
    assert (settings["rank"], settings["sample_pairs"], settings["prototype_temperature"]) == (8, 3, 100.0)
    released = toy_method("aua_released")
    assert [round(stage.share * released.settings["steps"]) for stage in released.stages()] == [3000, 6000]
    weight = released.losses(toy_batch(), TrainingStep(2999, 3000, "uncertainty"))["consistency"].weight
    assert weight == pytest.approx(0.15 * math.exp(-5 * (1 - 2850 / 6000) ** 2))


@pytest.mark.parametrize("variant", ["aua", "aua_released"])
@pytest.mark.parametrize("scenario", ["no foreground", "one voxel", "only the last class", "blank images"])
@pytest.mark.parametrize("blind_labeler", [False, True])
@pytest.mark.parametrize(("dimensions", "classes"), [(2, 2), (3, 4)])
def test_the_second_stage_survives_what_lacks_classes(variant, scenario, blind_labeler, dimensions, classes):
    method = toy_method(variant, dimensions, classes, **SMALL, prototype_temperature=1.0)
    batch = toy_batch(dimensions, classes)
    labels, images = torch.zeros_like(batch.labeled.labels), batch.unlabeled.images
    if scenario == "one voxel":
        labels.view(-1)[37] = 1
    elif scenario == "only the last class":
        labels.fill_(classes - 1)
    elif scenario == "blank images":
        images = torch.zeros_like(images)
    if blind_labeler:
        with torch.no_grad():
            method.student.head[-1].weight.zero_()
            method.student.head[-1].bias.copy_(torch.tensor([20.0] + [-20.0] * (classes - 1)))
    batch = Batch(Labeled(images, labels), Unlabeled(images))
    method.start_stage(method.stages()[1], lambda step: batch)
    losses = method.losses(batch, SECOND)
    weighted_sum(losses).backward()
    assert all(loss.value.isfinite() for loss in losses.values())
    gradients = [p.grad for p in method.student.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    if scenario != "one voxel":
        assert losses["prototype_labeled"].value == losses["prototype_unlabeled"].value == 0


@pytest.mark.parametrize("shape", [(2, 4), (3, 2)])
def test_both_stages_overfit_one_batch(shape):
    method, batch = toy_method("aua", *shape, **SMALL, ramp_steps=1), toy_batch(*shape)
    for stage in method.stages():
        method.start_stage(stage, lambda step: batch)
        optimizer = torch.optim.SGD(method.objectives()[0].module.parameters(), lr=0.05, momentum=0.9)
        course = []
        for step in range(20):
            losses = method.losses(batch, TrainingStep(step, 20, stage.name))
            optimizer.zero_grad()
            weighted_sum(losses).backward()
            optimizer.step()
            method.after_step(TrainingStep(step, 20, stage.name))
            course.append(losses["supervised"].value.item())
        assert course[-1] < 0.6 * course[0], stage.name


@pytest.mark.parametrize(("name", "rate"), [("consistency", 1.0), ("boundary", 0.02)])
def test_each_loss_of_the_first_stage_can_be_learned_alone(name, rate):
    method, batch = toy_method("aua", 2, 4, boundary_voxels=200), toy_batch(2, 4)
    with torch.no_grad():
        method.teacher.network.head[-1].weight.mul_(6)
    optimizer = torch.optim.SGD(method.parameters(), lr=rate)
    course = []
    for _ in range(20):
        loss = method.losses(batch, FIRST)[name].value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append(loss.item())
    assert course[-1] < 0.8 * course[0]


@pytest.mark.parametrize(("name", "size"), [("unet_2d", (16, 16)), ("v_net", (16, 16, 32)), ("unet_3d", (16, 16, 32))])
def test_the_network_that_predicts_is_built_by_its_name(name, size):
    network = build_network(f"{name}_embedded", 1, 3).eval()
    again = build_network(f"{name}_embedded", 1, 3).eval()
    again.load_state_dict(network.state_dict())
    images = torch.randn(1, 1, *size)
    with torch.no_grad():
        output = network(images)
        assert torch.equal(again(images).logits, output.logits)
        plain = network.decoder.stages[-1].stage(
            network.decoder(network.encoder(images))[-2], network.encoder(images)[0]
        )
    width = network.feature_channels["decoder_full"]
    assert output.decoder_full.shape == (1, width, *size)
    assert output.decoder_full.min() < 0, "the embedding has no activation"
    embedding, head = network.decoder.stages[-1].embedding, network.head[-1]
    rows = np.moveaxis(array(plain), 1, -1) @ array(embedding.weight).reshape(width, width).T + array(embedding.bias)
    np.testing.assert_allclose(rows, np.moveaxis(array(output.decoder_full), 1, -1), atol=1e-4)
    logits = np.maximum(rows, 0) @ array(head.weight).reshape(3, width).T + array(head.bias)
    np.testing.assert_allclose(logits, np.moveaxis(array(output.logits), 1, -1), atol=1e-4)


def test_the_whole_has_the_size_of_the_paper():
    """About 9.45 million: the V-Net and three heads of little weight."""
    count = sum(parameter.numel() for parameter in build_network("v_net_embedded", 1, 2).parameters())
    assert count == 9_448_866 + 16 * 16 + 16

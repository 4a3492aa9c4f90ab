"""SS-Net against formulas written anew in float64."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.class_separation import class_separation
from SemiSupervisedSegLib.engine.losses.smoothness import (
    adversarial_perturbation,
    dice_discrepancy,
    kl_discrepancy,
    unit,
)
from SemiSupervisedSegLib.engine.methods.method import MethodContext, TrainingStep
from SemiSupervisedSegLib.engine.methods.parts.feature_memory import FeatureMemory
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.jobs.catalogue import resolve

from .. import reference
from ..reference import array
from .test_benchmark_values import dice_of_dimension
from .test_values import MIDDLE, SHAPES
from .toys import Recorder, toy_batch, toy_method, values, weighted_sum


def discrepancy_of(variant, clean, perturbed, dimensions):
    if variant == "ss_net_kl":
        return np.mean((clean * (np.log(clean) - np.log(perturbed))).sum(axis=1))
    if dimensions == 2:
        return reference.dice(perturbed, clean)
    if variant == "ss_net_released":
        joint = clean.reshape(len(clean), 1, -1), perturbed.reshape(len(clean), 1, -1)
        return reference.dice(*joint, power=1, epsilon=1e-8)
    return reference.dice(perturbed, clean, power=1, epsilon=1e-8)


@pytest.mark.parametrize("variant", ["ss_net", "ss_net_kl", "ss_net_released"])
@pytest.mark.parametrize("shape", SHAPES)
def test_smoothness(variant, shape):
    method, batch = toy_method(variant, *shape), toy_batch(*shape)
    recorder = Recorder(method)
    losses = values(method.losses(batch, MIDDLE))
    (images, student), (clean_images, clean), (trial_images, _), (adversarial_images, adversarial) = recorder.student
    assert torch.equal(images, clean_images)
    published = {2: (6.0, 256**2), 3: (10.0, 112 * 112 * 80)}[shape[0]]
    voxels = images[0, 0].numel()
    for radius, seen in ((10.0, trial_images), (published[0], adversarial_images)):
        lengths = np.sqrt((array(seen - images) ** 2).reshape(4, -1).sum(axis=1))
        assert lengths == pytest.approx(radius * math.sqrt(voxels / published[1]), rel=1e-3)
    expected = discrepancy_of(
        variant, reference.softmax(array(clean.logits)), reference.softmax(array(adversarial.logits)), shape[0]
    )
    labels = batch.labeled.labels.numpy()
    assert losses["smoothness"] == pytest.approx(expected, abs=1e-5)
    assert losses["supervised"] == pytest.approx(
        dice_of_dimension(array(student.logits)[:2], labels, shape[0]), abs=1e-5
    )


@pytest.mark.parametrize("discrepancy", [dice_discrepancy, kl_discrepancy])
def test_adversarial_perturbation_has_its_length_and_leaves_the_parameters_alone(discrepancy):
    torch.manual_seed(1)
    network = torch.nn.Conv2d(1, 3, 3, padding=1)
    images = torch.randn(3, 1, 8, 8)
    clean = network(images).softmax(dim=1).detach()
    found = adversarial_perturbation(network, images, clean, discrepancy, trial=1.0, radius=2.5)
    assert found.flatten(1).norm(dim=1).tolist() == pytest.approx([2.5] * 3, rel=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not found.requires_grad

    def change(direction):
        return discrepancy(clean, network(images + 0.1 * unit(direction))).item()

    assert change(found) > max(change(torch.randn_like(images)) for _ in range(10))


def test_a_prediction_that_never_changes_is_not_perturbed():
    images = torch.randn(2, 1, 4, 4)
    found = adversarial_perturbation(
        lambda x: torch.zeros(2, 3, 4, 4) + 0 * x,
        images,
        torch.full((2, 3, 4, 4), 1 / 3),
        kl_discrepancy,
        trial=1,
        radius=5,
    )
    assert found.abs().max() == 0


def test_directions_of_tiny_gradients_are_still_of_length_one():
    assert unit(torch.full((1, 1, 4, 4), 1e-30)).flatten(1).norm(dim=1).item() == pytest.approx(1.0)


def test_perturbed_passes_leave_batch_statistics_alone():
    method, batch = toy_method("ss_net", use_class_separation=False), toy_batch()
    method.student.train()
    with torch.no_grad():
        method.student(torch.cat([batch.labeled.images, batch.unlabeled.images]))
    layer = method.student.encoder.stages[0][1]
    before = int(layer.num_batches_tracked)
    method.losses(batch, MIDDLE)
    # The joint pass and the clean pass of L_lds.
    assert int(layer.num_batches_tracked) == before + 2
    assert layer.track_running_stats


def separation(queries, attention, keys, key_attention):
    total, norm = 0.0, np.linalg.norm
    for q, a in zip(queries, attention / attention.mean(), strict=True):
        for k, w in zip(keys, key_attention / key_attention.mean(), strict=True):
            total += a * w * (1 - q @ k / (norm(q) * norm(k)))
    return total / (len(queries) * len(keys))


@pytest.mark.parametrize("weighted", [False, True])
def test_class_separation_is_the_mean_over_all_pairs(weighted):
    torch.manual_seed(2)
    queries, keys = torch.randn(7, 5), torch.randn(4, 5)
    attention, key_attention = torch.rand(7), torch.rand(4) if weighted else torch.ones(4)
    expected = separation(*map(array, (queries, attention, keys, key_attention)))
    assert class_separation(queries, attention, keys, key_attention).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("variant", ["ss_net", "ss_net_kl", "ss_net_released"])
def test_separation_of_labeled_by_truth_and_of_unlabeled_by_prediction(variant):
    method, batch = toy_method(variant, 2, 4), toy_batch(2, 4)
    recorder = Recorder(method)
    losses = values(method.losses(batch, MIDDLE))
    output = recorder.student[0][1]
    total = 0.0
    predicted = output.logits.argmax(dim=1)
    for part, groups in ((slice(0, 2), batch.labeled.labels), (slice(2, 4), predicted[2:])):
        with torch.no_grad():
            queries = method.heads(output.decoder_full[part].movedim(1, -1).flatten(0, -2))
            for label in range(0 if variant == "ss_net" else 1, 4):
                members, keys = queries[groups.flatten() == label], method.memory.of(label)
                if min(len(members), len(keys)) < 2:
                    continue
                scores = method.heads.query_attention[label](members)
                ones = torch.ones(len(keys))
                key_scores = method.heads.memory_attention[label](keys) if variant == "ss_net_kl" else ones
                total += separation(*map(array, (members, scores, keys, key_scores)))
    assert total > 0
    assert losses["class_separation"] == pytest.approx(total / 4, abs=1e-4)


@pytest.mark.parametrize(("variant", "highest"), [("ss_net", True), ("ss_net_released", False)])
def test_memory_keeps_correct_voxels_by_their_score(variant, highest):
    method, batch = toy_method(variant), toy_batch()
    output = method.student(torch.cat([batch.labeled.images, batch.unlabeled.images])).split(2)[0]
    labels = batch.labeled.labels
    method.remember(output, labels)
    label = 1
    correct = (output.logits.argmax(dim=1) == label) & (labels == label)
    features = output.decoder_full.movedim(1, -1)[correct]
    method.heads.eval()
    with torch.no_grad():
        projected = method.heads.projector(features)
        scores = method.heads.query_attention[label](projected)
    kept = method.memory.of(label)
    assert 2 <= len(kept) <= 32
    order = scores.argsort(descending=highest)[: len(kept)]
    torch.testing.assert_close(kept, projected[order])
    assert (len(method.memory.of(0)) > 0) == (variant == "ss_net"), "the background is remembered by setting only"


def test_memory_keeps_what_it_has_when_a_class_is_absent():
    memory = FeatureMemory(2, 4, 3)
    first = torch.randn(6, 3)
    memory.keep(1, first, torch.arange(6.0), highest=True)
    memory.keep(1, torch.zeros(0, 3), torch.zeros(0), highest=True)
    assert torch.equal(memory.of(1), first[[5, 4, 3, 2]])
    assert len(memory.of(0)) == 0
    memory.keep(1, first[:1], torch.ones(1), highest=True)
    assert torch.equal(memory.of(1), first[:1])


def test_attention_is_learned_and_does_not_move_the_features():
    method, batch = toy_method("ss_net"), toy_batch()
    method.losses(batch, MIDDLE)["class_separation"].value.backward()
    assert method.heads.query_attention[1][0].weight.grad.abs().max() > 0
    assert method.heads.predictor[0].weight.grad.abs().max() > 0
    assert method.student.head.weight.grad is None
    assert not method.memory.features.requires_grad


def test_sizes_of_the_paper():
    for name, dimensions, classes, millions in (("v_net", 3, 2, 9.46), ("unet_2d", 2, 4, 1.83)):
        context = MethodContext(
            partial(build_network, name, 1, classes), classes, dimensions, resolve("ss_net", "paper", {}, dimensions)
        )
        size = sum(p.numel() for p in build_method("ss_net", context).parameters())
        assert round(size / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("off", "missing"), [("use_smoothness", "smoothness"), ("use_class_separation", "class_separation")]
)
def test_ablations_of_table_3(off, missing):
    losses = toy_method("ss_net", **{off: False}).losses(toy_batch(), MIDDLE)
    assert set(losses) == {"supervised", "smoothness", "class_separation"} - {missing}


def test_weights_of_the_paper():
    losses = toy_method("ss_net", 3).losses(toy_batch(3), TrainingStep(6000, 15000))
    assert {name: loss.weight for name, loss in losses.items()} == pytest.approx(
        {"supervised": 1.0, "smoothness": 1.0, "class_separation": 0.1}
    )


def test_maps_computed_again_give_the_same_gradients_and_statistics():
    def trained(kept):
        torch.manual_seed(0)
        method, batch = toy_method("ss_net", 3, 4), toy_batch(3, 4)
        if kept:
            object.__setattr__(method, "_forward_checkpointed", lambda repeating, images: method.student(images))
        torch.manual_seed(5)
        weighted_sum(method.losses(batch, MIDDLE)).backward()
        return {name: p.grad for name, p in method.named_parameters()}, dict(method.named_buffers())

    (gradients, statistics), (expected, untouched) = trained(False), trained(True)
    for name, gradient in expected.items():
        assert (gradient is None and gradients[name] is None) or torch.equal(gradients[name], gradient), name
    assert all(torch.equal(statistics[name], value) for name, value in untouched.items())

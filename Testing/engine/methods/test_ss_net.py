"""SS-Net against its formulas in float64, its ablations, and the checks of every method."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.networks.factory import build_network

from .. import reference
from ..reference import array, dice_of_dimension
from .checks import BEFORE_HEAD, EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, Recorder, build_on, in_float64, toy_batch, toy_method, values, weighted_sum, weights

VARIANTS = {
    "ss_net": {"separate_background": True},
    "ss_net_kl": {"discrepancy": "kl"},
    "ss_net_released": {"fidelity": "released_code"},
}
TRAINED = {"supervised": EVERYTHING, "smoothness": EVERYTHING, "class_separation": BEFORE_HEAD}


class TestSSNet(MethodChecks):
    method, variants, trained = "ss_net", VARIANTS, TRAINED


def discrepancy_of(variant, clean, perturbed, dimensions):
    if variant == "ss_net_kl":
        return np.mean((clean * (np.log(clean) - np.log(perturbed))).sum(axis=1))
    if dimensions == 2:
        return reference.dice(perturbed, clean)
    if variant == "ss_net_released":
        joint = clean.reshape(len(clean), 1, -1), perturbed.reshape(len(clean), 1, -1)
        return reference.dice(*joint, power=1, epsilon=1e-8)
    return reference.dice(perturbed, clean, power=1, epsilon=1e-8)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_smoothness(variant, shape):
    method, batch = toy_method("ss_net", *shape, **VARIANTS[variant]), toy_batch(*shape)
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_separation_of_labeled_by_truth_and_of_unlabeled_by_prediction(variant):
    method, batch = toy_method("ss_net", 2, 4, **VARIANTS[variant]), toy_batch(2, 4)
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
                key_scores = ones if variant == "ss_net_released" else method.heads.memory_attention[label](keys)
                total += reference.separation(*map(array, (members, scores, keys, key_scores)))
    assert total > 0
    assert losses["class_separation"] == pytest.approx(total / 4, abs=1e-4)


@pytest.mark.parametrize(("variant", "highest"), [("ss_net", True), ("ss_net_released", False)])
def test_memory_keeps_correct_voxels_by_their_score(variant, highest):
    method, batch = in_float64(toy_method("ss_net", **VARIANTS[variant]), toy_batch())
    output = method.student(torch.cat([batch.labeled.images, batch.unlabeled.images])).split(2)[0]
    labels = batch.labeled.labels
    method.remember(output, labels)
    label = 1
    correct = (output.logits.argmax(dim=1) == label) & (labels == label)
    features = output.decoder_full.movedim(1, -1)[correct]
    with torch.no_grad():
        projected = method.heads.projector.eval()(features)
    # The score has the statistics of these features: linear, normalisation, LeakyReLU, linear.
    first, _, _, last = list(method.heads.query_attention[label])[:4]
    hidden = array(projected) @ array(first.weight).T + array(first.bias)
    hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
    scores = np.where(hidden > 0, hidden, 0.2 * hidden) @ array(last.weight)[0] + array(last.bias)
    kept = method.memory.of(label)
    assert len(kept) == 32 < len(scores)
    order = np.argsort(-scores if highest else scores)[:32]
    np.testing.assert_allclose(array(kept), array(projected)[order], atol=1e-10)
    assert (len(method.memory.of(0)) > 0) == (variant == "ss_net"), "the background is remembered by setting only"


def test_attention_is_learned_and_does_not_move_the_features():
    method, batch = toy_method("ss_net", separate_background=True), toy_batch()
    method.losses(batch, MIDDLE)["class_separation"].value.backward()
    assert method.heads.query_attention[1][0].weight.grad.abs().max() > 0
    assert method.heads.predictor[0].weight.grad.abs().max() > 0
    assert method.student.head.weight.grad is None
    assert not method.memory.features.requires_grad


def test_sizes_of_the_paper():
    for name, dimensions, classes, millions in (("v_net", 3, 2, 9.46), ("unet_2d", 2, 4, 1.83)):
        method = build_on(partial(build_network, name, 1, classes), "ss_net", dimensions, classes)
        size = sum(p.numel() for p in method.parameters())
        assert round(size / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("off", "missing"), [("use_smoothness", "smoothness"), ("use_class_separation", "class_separation")]
)
def test_ablations_of_table_3(off, missing):
    losses = toy_method("ss_net", **{off: False}).losses(toy_batch(), MIDDLE)
    assert set(losses) == {"supervised", "smoothness", "class_separation"} - {missing}


def test_weights_of_the_paper():
    assert weights("ss_net", TrainingStep(6000, 15000), 3) == pytest.approx(
        {"supervised": 1.0, "smoothness": 1.0, "class_separation": 0.1}
    )


def test_maps_computed_again_give_the_same_gradients_and_statistics():
    def trained(kept):
        torch.manual_seed(0)
        method, batch = toy_method("ss_net", 3, 4, separate_background=True), toy_batch(3, 4)
        if kept:
            object.__setattr__(method, "_forward_checkpointed", lambda repeating, images: method.student(images))
        torch.manual_seed(5)
        weighted_sum(method.losses(batch, MIDDLE)).backward()
        return {name: p.grad for name, p in method.named_parameters()}, dict(method.named_buffers())

    (gradients, statistics), (expected, untouched) = trained(False), trained(True)
    for name, gradient in expected.items():
        assert (gradient is None and gradients[name] is None) or torch.equal(gradients[name], gradient), name
    assert all(torch.equal(statistics[name], value) for name, value in untouched.items())


@pytest.mark.parametrize(("dimensions", "blocks"), [(2, 0), (3, 1)])
def test_the_released_code_of_volumes_counts_a_step_before_it_weights_it(dimensions, blocks):
    found = weights("ss_net", TrainingStep(149, 30000), dimensions, fidelity="released_code")
    largest, length = {2: (0.1, 30000), 3: (1.0, 6000)}[dimensions]
    assert found["smoothness"] == pytest.approx(largest * np.exp(-5 * (1 - 150 * blocks / length) ** 2))

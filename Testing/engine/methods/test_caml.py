"""CAML against its formulas in float64, its memory and attention, and the checks of every method."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods import caml

from .. import reference
from ..reference import array
from .checks import BEFORE_HEAD, EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, in_float64, toy_batch, toy_method, values, weights

RELEASED = {"fidelity": "released_code"}
TRAINED = {"supervised": EVERYTHING, "mutual_consistency": EVERYTHING, "correlation": BEFORE_HEAD}


class TestCAML(MethodChecks):
    method, variants, trained = "caml", {"paper": {}, "released_code": RELEASED}, TRAINED


def recorded(method):
    """The outputs of both networks, in the order in which they are asked."""
    seen = []
    for network in (method.student, method.auxiliary):
        network.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    return seen


def supervised(logits, labels):
    p, q = reference.softmax(logits), reference.indicators(labels, logits.shape[1])
    flat = labels.ndim == 3
    return reference.dice(p, q, power=2 if flat else 1, first=0 if flat else 1, epsilon=1e-5 if flat else 1e-8)


def sharpened(p, per_channel):
    powers = p**10
    return powers / (powers + (1 - p) ** 10) if per_channel else powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_supervised_and_mutual_losses(shape, released):
    method, batch = in_float64(toy_method("caml", *shape, **(RELEASED if released else {})), toy_batch(*shape))
    seen = recorded(method)
    losses = values(method.losses(batch, MIDDLE))
    (images, first), (same_images, second) = seen
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(images, same_images)
    answers, labels = [array(output.logits) for output in (first, second)], batch.labeled.labels.numpy()
    probabilities = [reference.softmax(each) for each in answers]
    mutual = sum(np.mean((p - sharpened(q, released)) ** 2) for p, q in itertools.permutations(probabilities, 2))
    assert losses["supervised"] == pytest.approx(sum(supervised(each[:2], labels) for each in answers), abs=1e-10)
    assert losses["mutual_consistency"] == pytest.approx(mutual, abs=1e-10)


@pytest.mark.parametrize("shape", [(2, 4), (3, 2)])
def test_correlation_with_remembered_voxels(shape, monkeypatch):
    monkeypatch.setattr(caml, "VOXELS", 20)
    method, batch = in_float64(toy_method("caml", *shape), toy_batch(*shape))
    for label in range(shape[1]):
        method.memory.remember(label, torch.randn(256, 32, dtype=torch.float64))
    monkeypatch.setattr(method, "remember", lambda labeled, labels: None)
    memory = torch.cat([method.memory.stored(label) for label in range(shape[1])])
    for heads in (method.projections, method.predictions):
        heads.eval()
    seen = recorded(method)
    loss = method.losses(batch, MIDDLE)["correlation"].value.item()
    first, second = (output.split(2)[1] for _, output in seen)
    p, other = reference.softmax(array(first.logits)), reference.softmax(array(second.logits))
    terms = []
    for label in range(shape[1]):
        agreed = (p.argmax(axis=1) == label) & (other.argmax(axis=1) == label)
        places = sorted(np.argwhere(agreed), key=lambda place: -p[(place[0], label, *place[1:])])[:20]
        for image, *voxel in places:
            correlations = []
            for network, output in enumerate((first, second)):
                feature = output.decoder_full[(image, slice(None), *voxel)][None]
                embedded = array(method.predictions[network](method.projections[network](feature)))
                correlations.append(reference.softmax(embedded @ array(memory).T / 0.1)[0])
            terms.append(-(correlations[1] * np.log(correlations[0] + 1e-8)).sum())
    assert len(terms) > 20
    assert loss == pytest.approx(np.mean(terms), abs=1e-8)


def test_what_both_networks_classify_rightly_is_remembered(monkeypatch):
    method, batch = in_float64(toy_method("caml", 2, 3), toy_batch(2, 3))
    # It would change the statistics with which features were projected.
    monkeypatch.setattr(method, "correlation", lambda unlabeled: torch.zeros(()))
    seen = recorded(method)
    for network in (method.student, method.auxiliary):
        with torch.no_grad():
            network.head.bias[2] = -1e3
    method.losses(batch, MIDDLE)
    outputs = [output.split(2)[0] for _, output in seen]
    right = torch.stack([output.logits.argmax(dim=1) == batch.labeled.labels for output in outputs]).all(dim=0)
    assert len(method.memory.stored(2)) == 0
    method.eval()
    for label in (0, 1):
        there = right & (batch.labeled.labels == label)
        features = [output.decoder_full.movedim(1, -1)[there] for output in outputs]
        expected = sum(project(each) for project, each in zip(method.projections, features, strict=True)) / 2
        stored = method.memory.stored(label)
        assert len(stored) == min(256, int(there.sum())) > 0
        assert torch.cdist(stored, expected.detach()).min(dim=1).values.max() < 1e-6


def test_memory_is_constant_and_both_networks_learn_from_it():
    method, batch = toy_method("caml", 2, 4), toy_batch(2, 4)
    loss = method.losses(batch, MIDDLE)["correlation"].value
    assert not method.memory.features.requires_grad
    loss.backward()
    learners = (method.student.encoder, method.auxiliary.encoder, method.projections, method.predictions)
    assert all(
        p.grad is not None and p.grad.abs().max() > 0 for each in learners for p in each.parameters() if p.dim() > 1
    )


def test_without_agreement_or_memory_there_is_no_correlation():
    method, batch = toy_method("caml", 2, 2), toy_batch(2, 2)
    with torch.no_grad():
        method.student.head.bias.copy_(torch.tensor([1e3, -1e3]))
        method.auxiliary.head.bias.copy_(torch.tensor([-1e3, 1e3]))
    loss = method.losses(batch, MIDDLE)["correlation"].value
    assert loss.item() == 0
    loss.backward()


def test_the_auxiliary_network_attends_and_upsamples_in_another_way():
    method, batch = toy_method("caml"), toy_batch()
    assert method.auxiliary.upsampling != method.student.upsampling
    assert method.inference_network() is method.student
    images = batch.unlabeled.images
    method.auxiliary.eval()
    plain = method.auxiliary.encoder(images)
    attention = method.auxiliary.encoder.stages[-2][1]
    attention.train()
    attending = method.auxiliary.encoder(images)
    changed = [not torch.equal(before, after) for before, after in zip(plain, attending, strict=True)]
    assert changed == [False, True, True]


def test_the_weights():
    ramp = math.exp(-5 * 0.5**2)
    found = weights("caml", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 0.5, "mutual_consistency": ramp, "correlation": 0.05 * ramp})
    released = weights("caml", MIDDLE, ramp_steps=1000, ramp_unit="iteration", **RELEASED)
    assert released["mutual_consistency"] == pytest.approx(math.exp(-5 * 0.499**2))

"""The losses of UA-MT, CPS, DAN and MC-Net, recomputed in float64 from what their networks saw and answered."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .test_values import MIDDLE, SHAPES, assert_noise, run
from .toys import toy_batch, toy_method, values

RAMP = math.exp(-5 * 0.5**2)


def dice_of_dimension(logits, labels, dimensions):
    """Linear denominator on the structures in 3D, squared on all classes in 2D."""
    p, q = reference.softmax(logits), reference.indicators(labels, logits.shape[1])
    if dimensions == 2:
        return reference.dice(p, q)
    return reference.dice(p, q, power=1, first=1, epsilon=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_ua_mt(shape):
    losses, batch, recorder, _ = run("ua_mt", shape)
    ((_, student),), (*passes, (images, _)) = recorder.student, recorder.teacher
    # The target comes first, then the answers from which the uncertainty is taken.
    target, stochastic = passes[0][1], [*(output for _, output in passes[1:]), recorder.teacher[-1][1]]
    assert len(stochastic) == 3
    assert_noise(images, batch.unlabeled.images)
    mean = np.mean([reference.softmax(array(output.logits)) for output in stochastic], axis=0)
    entropy = -(mean * np.log(mean + 1e-6)).sum(axis=1)
    certain = entropy < (0.75 + 0.25 * RAMP) * math.log(shape[1])
    squares = (reference.softmax(array(student.logits)[2:]) - reference.softmax(array(target.logits))) ** 2
    expected = (certain[:, None] * squares).sum() / (shape[1] * certain.sum() + 1e-16)
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(student.logits)[:2], labels), abs=1e-5),
        "consistency": pytest.approx(expected, abs=1e-5),
        "certain_share": pytest.approx(certain.mean(), abs=1e-5),
    }


def test_ua_mt_learns_nothing_where_nothing_is_certain():
    method, batch = toy_method("ua_mt", 2, 4), toy_batch(2, 4)
    with torch.no_grad():
        method.teacher.network.head.weight.zero_()
        method.teacher.network.head.bias.zero_()
    losses = values(method.losses(batch, TrainingStep(0, 1000)))
    assert losses["certain_share"] == losses["consistency"] == 0


def test_threshold_of_ua_mt_ends_at_the_largest_entropy():
    method = toy_method("ua_mt", 2, 4)
    assert method.threshold(TrainingStep(1000, 1000)) == pytest.approx(math.log(4))
    assert method.threshold(TrainingStep(0, 1000)) == pytest.approx((0.75 + 0.25 * math.exp(-5)) * math.log(4))


@pytest.mark.parametrize("shape", SHAPES)
def test_cps(shape):
    method, batch = toy_method("cps", *shape), toy_batch(*shape)
    seen = []
    for network in (method.student, method.second):
        network.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], array(output.logits))))
    losses = values(method.losses(batch, MIDDLE))
    (images, first), (same_images, second) = seen
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(images, same_images)
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(
            reference.supervised(first[:2], labels) + reference.supervised(second[:2], labels), abs=1e-5
        ),
        "cross_pseudo": pytest.approx(
            reference.cross_entropy(first[2:], second[2:].argmax(axis=1))
            + reference.cross_entropy(second[2:], first[2:].argmax(axis=1)),
            abs=1e-5,
        ),
    }


def test_each_network_of_cps_learns_from_the_other_and_they_start_apart():
    method, batch = toy_method("cps"), toy_batch()
    starts = [network.encoder.stages[0][0].weight for network in (method.student, method.second)]
    assert not torch.equal(*starts)
    method.losses(batch, MIDDLE)["cross_pseudo"].value.backward()
    assert all(weight.grad.abs().max() > 0 for weight in starts)


@pytest.mark.parametrize("variant", ["mc_net", "mc_net_plus"])
@pytest.mark.parametrize("shape", SHAPES)
def test_mc_net(variant, shape):
    method, batch = toy_method(variant, *shape), toy_batch(*shape)
    answers = []
    for head in (method.student.head, *method.heads):
        head.register_forward_hook(lambda _, inputs, output: answers.append(array(output)))
    losses = values(method.losses(batch, MIDDLE))
    assert len(answers) == (3 if variant == "mc_net_plus" else 2)
    probabilities = [reference.softmax(logits) for logits in answers]
    powers = [p**10 for p in probabilities]
    sharp = [power / power.sum(axis=1, keepdims=True) for power in powers]
    mutual = sum(np.mean((p - s) ** 2) for i, p in enumerate(probabilities) for j, s in enumerate(sharp) if i != j)
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(
            sum(dice_of_dimension(logits[:2], labels, shape[0]) for logits in answers), abs=1e-5
        ),
        "mutual_consistency": pytest.approx(mutual, abs=1e-5),
    }


def test_mc_net_shares_its_encoder_and_differs_in_how_it_upsamples():
    method = toy_method("mc_net_plus")
    assert [decoder.mode for decoder in (method.student.decoder, *method.decoders)] == [
        "nearest",
        "bilinear",
        "bilinear",
    ]
    assert not any(
        name.startswith(("decoders", "heads")) and "encoder" in name for name, _ in method.named_parameters()
    )
    assert method.inference_network() is method.student


def test_dan_judges_unlabeled_predictions_and_learns_from_constant_ones():
    method, batch = toy_method("dan", 2, 4), toy_batch(2, 4)
    seen = []
    method.discriminator.register_forward_hook(
        lambda module, inputs, output: seen.append((*inputs, array(output), module.training))
    )
    segmentation = values(method.losses(batch, MIDDLE))
    statistics = {name: value.clone() for name, value in method.student.named_buffers()}
    judged = values(method.discriminator_losses(batch, MIDDLE))

    (maps, images, answers, training), (both, all_images, all_answers, learning) = seen
    assert images is batch.unlabeled.images
    assert not training, "judges without dropout"
    assert segmentation["adversarial"] == pytest.approx(reference.cross_entropy(answers, np.ones(2, int)), abs=1e-5)
    assert maps.requires_grad
    assert learning
    assert not both.requires_grad
    assert torch.equal(all_images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert judged["discriminator"] == pytest.approx(
        reference.cross_entropy(all_answers, np.array([1, 1, 0, 0])), abs=1e-5
    )
    assert all(torch.equal(value, statistics[name]) for name, value in method.student.named_buffers())
    assert method.student.training


def test_discriminator_of_dan_has_its_own_adam():
    segmentation, discriminator = toy_method("dan").objectives()
    assert segmentation.optimizer == {}
    assert discriminator.optimizer["optimizer"] == "adam"
    assert discriminator.optimizer["learning_rate"] == 1e-4
    assert discriminator.optimizer["adam_betas"] == (0.9, 0.99)
    assert not {id(p) for p in segmentation.module.parameters()} & {id(p) for p in discriminator.module.parameters()}


@pytest.mark.parametrize("variant", ["ua_mt", "cps", "dan", "mc_net"])
def test_weights_follow_the_ramp(variant):
    losses = toy_method(variant, ramp_steps=1000, ramp_unit="iteration").losses(toy_batch(), MIDDLE)
    (weight,) = {loss.weight for name, loss in losses.items() if name not in ("supervised", "certain_share")}
    assert weight == pytest.approx(0.1 * RAMP)

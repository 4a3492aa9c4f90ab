"""DAN against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, run, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
VARIANTS = {"paper": {}}
TRAINED = {"supervised": EVERYTHING, "adversarial": EVERYTHING}


class TestDAN(MethodChecks):
    method, variants, trained = "dan", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_the_supervised_loss(shape):
    losses, batch, recorder, _ = run("dan", shape)
    ((images, student),) = recorder.student
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    expected = reference.supervised(array(student.logits)[:2], batch.labeled.labels.numpy())
    assert losses["supervised"] == pytest.approx(expected, abs=1e-5)


def test_it_judges_unlabeled_predictions_and_learns_from_constant_ones():
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


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_discriminator_of_slices_has_nothing_between_the_sum_and_the_next_convolution(dimensions):
    judge = toy_method("dan", dimensions, 4).discriminator.double().eval()
    maps, images = torch.rand(2, 4, *[32] * dimensions).double(), torch.randn(2, 1, *[32] * dimensions).double()
    convolve = (functional.conv2d, functional.conv3d)[dimensions - 2]
    convolutions = [module for module in judge.rest if hasattr(module, "kernel_size")]
    current = sum(
        convolve(x, layer.weight, layer.bias, stride=2, padding=1)
        for x, layer in ((maps, judge.from_map), (images, judge.from_image))
    )
    if dimensions == 3:
        current = torch.where(current > 0, current, 0.2 * current)
    for layer in convolutions:
        current = convolve(current, layer.weight, layer.bias, stride=2, padding=1)
        current = torch.where(current > 0, current, 0.2 * current)
    last = judge.rest[-1]
    expected = array(current).reshape(2, 512, -1).mean(axis=2) @ array(last.weight).T + array(last.bias)
    np.testing.assert_allclose(array(judge(maps, images)), expected, atol=1e-10)


def test_the_discriminator_has_its_own_adam():
    segmentation, discriminator = toy_method("dan").objectives()
    assert segmentation.optimizer == {}
    assert discriminator.optimizer["optimizer"] == "adam"
    assert discriminator.optimizer["learning_rate"] == 1e-4
    assert discriminator.optimizer["adam_betas"] == (0.9, 0.99)
    assert not {id(p) for p in segmentation.module.parameters()} & {id(p) for p in discriminator.module.parameters()}


def test_the_weight_follows_the_ramp():
    found = weights("dan", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "adversarial": 0.1 * RAMP})

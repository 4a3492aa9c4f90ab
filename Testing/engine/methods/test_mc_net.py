"""MC-Net and MC-Net+ against their formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array, dice_of_dimension
from .checks import EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, in_float64, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
VARIANTS = {"mc_net": {}, "mc_net_plus": {"decoders": 3}, "released_code": {"fidelity": "released_code"}}
TRAINED = {"supervised": EVERYTHING, "mutual_consistency": EVERYTHING}


class TestMCNet(MethodChecks):
    method, variants, trained = "mc_net", VARIANTS, TRAINED


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values(variant, shape):
    method, batch = in_float64(toy_method("mc_net", *shape, **VARIANTS[variant]), toy_batch(*shape))
    answers = []
    for head in (method.student.head, *method.heads):
        head.register_forward_hook(lambda _, inputs, output: answers.append(array(output)))
    losses = values(method.losses(batch, MIDDLE))
    assert len(answers) == (3 if variant == "mc_net_plus" else 2)
    probabilities = [reference.softmax(logits) for logits in answers]
    powers = [p**10 for p in probabilities]
    sharp = [power / power.sum(axis=1, keepdims=True) for power in powers]
    if variant == "released_code":
        sharp = [power / (power + (1 - p) ** 10) for p, power in zip(probabilities, powers, strict=True)]
    mutual = sum(np.mean((p - s) ** 2) for i, p in enumerate(probabilities) for j, s in enumerate(sharp) if i != j)
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(
            sum(dice_of_dimension(logits[:2], labels, shape[0]) for logits in answers), abs=1e-10
        ),
        "mutual_consistency": pytest.approx(mutual, abs=1e-10),
    }


def test_it_shares_its_encoder_and_differs_in_how_it_upsamples():
    method = toy_method("mc_net", decoders=3)
    assert [decoder.mode for decoder in (method.student.decoder, *method.decoders)] == [
        "nearest",
        "bilinear",
        "bilinear",
    ]
    assert not any(
        name.startswith(("decoders", "heads")) and "encoder" in name for name, _ in method.named_parameters()
    )
    assert method.inference_network() is method.student


def test_the_weights_follows_the_ramp():
    found = weights("mc_net", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 0.5, "mutual_consistency": 0.1 * RAMP})


@pytest.mark.parametrize(("index", "blocks"), [(148, 0), (149, 1)])
def test_the_released_code_counts_a_step_before_it_weights_it(index, blocks):
    found = weights("mc_net", TrainingStep(index, 9000), 3, fidelity="released_code")
    assert found["mutual_consistency"] == pytest.approx(math.exp(-5 * (1 - blocks * 150 / 6000) ** 2))

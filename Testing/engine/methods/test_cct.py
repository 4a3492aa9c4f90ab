"""CCT against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from .. import reference
from ..reference import array
from .checks import ENCODER, EVERYTHING, MethodChecks
from .toys import MIDDLE, SHAPES, in_float64, toy_batch, toy_method, values, weights

RAMP = math.exp(-5 * 0.5**2)
RELEASED = {"fidelity": "released_code"}
TRAINED = {"supervised": EVERYTHING, "consistency": ENCODER}


class TestCCT(MethodChecks):
    method, variants, trained = "cct", {"paper": {}}, TRAINED


class TestReleasedCCT(MethodChecks):
    method, variants, trained = "cct", {"released_code": RELEASED}, dict.fromkeys(TRAINED, EVERYTHING)


def observed(shape, **settings):
    """Return the losses of a step, the batch, and the logits of the main and of the auxiliary decoders."""
    method, batch = in_float64(toy_method("cct", *shape, **settings), toy_batch(*shape))
    logits = []
    for head in (method.student.head, *method.heads):
        head.register_forward_hook(lambda _, inputs, output: logits.append(array(output)))
    return values(method.losses(batch, MIDDLE)), batch, logits


def mean_difference(main, others):
    p = reference.softmax(main)
    return np.mean([np.mean((reference.softmax(logits) - p) ** 2) for logits in others])


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, (main, *others) = observed(shape)
    assert [len(logits) for logits in others] == [2, 2, 2], "the auxiliary decoders see unlabeled images only"
    assert losses == {
        "supervised": pytest.approx(reference.supervised(main[:2], batch.labeled.labels.numpy()), abs=1e-10),
        "consistency": pytest.approx(mean_difference(main[2:], others), abs=1e-10),
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_values_as_benchmarked(shape):
    losses, batch, (main, *others) = observed(shape, **RELEASED)
    assert [len(logits) for logits in others] == [4, 4, 4]
    labels = batch.labeled.labels.numpy()
    assert losses == {
        "supervised": pytest.approx(
            np.mean([reference.supervised(logits[:2], labels) for logits in (main, *others)]), abs=1e-10
        ),
        "consistency": pytest.approx(mean_difference(main[2:], [logits[2:] for logits in others]), abs=1e-10),
    }


class Factor(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, maps):
        return self.factor * maps


def test_each_decoder_reads_every_map_with_a_perturbation_of_its_own():
    method, batch = toy_method("cct"), toy_batch()
    assert [type(each).__name__ for each in method.perturbations] == ["FeatureNoise", "Dropout", "FeatureDropout"]
    factors = (2.0, 3.0, 5.0)
    method.perturbations = nn.ModuleList(map(Factor, factors))
    read = []
    for decoder in (method.student.decoder, *method.decoders):
        decoder.register_forward_hook(lambda _, inputs, output: read.append(inputs[0]))
    method.losses(batch, MIDDLE)
    main, *others = read
    for factor, maps in zip(factors, others, strict=True):
        assert len(maps) == 3
        assert all(torch.equal(ours, factor * each[2:]) for ours, each in zip(maps, main, strict=True))


@pytest.mark.parametrize(("settings", "taught"), [({}, "consistency"), (RELEASED, "supervised")])
def test_what_teaches_the_auxiliary_decoders(settings, taught):
    method, batch = toy_method("cct", 2, 4, **settings), toy_batch(2, 4)
    losses = method.losses(batch, MIDDLE)
    reached = {}
    for name, loss in losses.items():
        method.zero_grad()
        loss.value.backward(retain_graph=True)
        kernels = [p for part in (method.decoders, method.heads) for p in part.parameters() if p.dim() > 1]
        reached[name] = [p.grad is not None and p.grad.abs().max().item() > 0 for p in kernels]
    assert all(reached["consistency"])
    assert all(reached[taught])
    assert any(reached["supervised"]) == (taught == "supervised")


def test_decoders_start_apart_and_are_no_part_of_the_network_that_predicts():
    method = toy_method("cct")
    starts = [decoder.stages[0][0].weight for decoder in (method.student.decoder, *method.decoders)]
    assert not any(torch.equal(starts[0], other) for other in starts[1:])
    assert method.inference_network() is method.student


def test_the_weight_follows_the_ramp():
    found = weights("cct", MIDDLE, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "consistency": 30 * RAMP})
    found = weights("cct", MIDDLE, **RELEASED, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 1.0, "consistency": 0.1 * RAMP})

"""FixMatch against its formulas in float64, and the checks of every method."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods import fixmatch

from .. import reference
from ..reference import array
from .checks import EVERYTHING, NOTHING, MethodChecks, assert_doubt_costs_nothing
from .toys import MIDDLE, SHAPES, run, toy_batch, toy_method, weights

RAMP = math.exp(-5 * 0.5**2)
RELEASED = {"fidelity": "released_code"}
# Untrained networks are confident of nothing.
EASY = {"confidence": 0.3}


class TestFixMatch(MethodChecks):
    method, variants = "fixmatch", {"paper": EASY}
    trained: ClassVar[dict[str, set[str]]] = {
        "supervised": EVERYTHING,
        "pseudo": EVERYTHING,
        "confident_share": NOTHING,
    }


class TestReleasedFixMatch(MethodChecks):
    method, variants = "fixmatch", {"released_code": {**RELEASED, **EASY}}
    trained = dict.fromkeys(("supervised", "pseudo", "complementary"), EVERYTHING)


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """Strong views that can be recognised, with the strengths they were asked for."""
    strengths = []

    def brighter(images, strength):
        strengths.append(strength)
        return images + strength

    monkeypatch.setattr(fixmatch, "strong_view", brighter)
    return strengths


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape, seen):
    losses, batch, recorder, _ = run("fixmatch", shape, confidence=0.55 if shape[1] == 2 else 0.35, view_strength=1.5)
    (weak_images, weak), (images, both) = recorder.student
    assert torch.equal(weak_images, batch.unlabeled.images)
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images + 1.5]))
    assert seen == [1.5]
    p, logits = reference.softmax(array(weak.logits)), array(both.logits)
    confident = p.max(axis=1) >= (0.55 if shape[1] == 2 else 0.35)
    assert 0 < confident.mean() < 1, "confidence matters"
    assert losses == {
        "supervised": pytest.approx(reference.supervised(logits[:2], batch.labeled.labels.numpy()), abs=1e-10),
        "pseudo": pytest.approx(
            reference.cross_entropy(logits[2:], p.argmax(axis=1), confident) * confident.mean(), abs=1e-10
        ),
        "confident_share": pytest.approx(confident.mean()),
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_values_as_benchmarked(shape):
    losses, batch, recorder, method = run("fixmatch", shape, **RELEASED, confidence=0.3)
    (weak_images, weak), (strong_images, strong) = recorder.student
    assert torch.equal(weak_images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    assert torch.equal(strong_images, weak_images + method.settings["view_strength"])
    p = reference.softmax(array(weak.logits))
    doubtful = (p.max(axis=1) - p.min(axis=1)) / p.max(axis=1) <= 0.3
    pseudo_labels = np.where(doubtful, 0, p.argmax(axis=1))
    assert losses["supervised"] == pytest.approx(
        reference.supervised(array(weak.logits)[:2], batch.labeled.labels.numpy()), abs=1e-10
    )
    assert losses["pseudo"] == pytest.approx(
        reference.supervised(array(strong.logits)[2:], pseudo_labels[2:]), abs=1e-10
    )
    assert losses["complementary"] == pytest.approx(
        fixmatch.complementary_loss(weak.logits, strong.logits).item(), abs=1e-12
    )


def test_pseudo_labels_are_constant_and_leave_no_trace_in_the_batch_statistics():
    method, batch = toy_method("fixmatch", 2, 4, **EASY), toy_batch(2, 4)
    passes = []
    method.student.register_forward_hook(lambda _, inputs, output: passes.append((inputs[0], output.logits)))
    method.losses(batch, MIDDLE)
    assert [logits.requires_grad for _, logits in passes] == [False, True]
    norm = method.student.encoder.stages[0][1]
    assert norm.num_batches_tracked == 1
    expected = 0.1 * method.student.encoder.stages[0][0](passes[1][0]).mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, expected)


def test_what_nobody_is_confident_of_costs_nothing():
    assert_doubt_costs_nothing("fixmatch")


def test_unlabeled_images_count_in_full_unless_released():
    assert weights("fixmatch", MIDDLE) == {"supervised": 1.0, "pseudo": 1.0, "confident_share": 0.0}
    found = weights("fixmatch", MIDDLE, **RELEASED, ramp_steps=1000, ramp_unit="iteration")
    assert found == pytest.approx({"supervised": 2.0, "pseudo": 0.2 * RAMP, "complementary": 0.1 * RAMP})

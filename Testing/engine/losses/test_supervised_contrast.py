"""The contrast of vectors of the same and of other classes, pair by pair."""

from __future__ import annotations

import math

import pytest
import torch

from SemiSupervisedSegLib.engine.losses.supervised_contrast import supervised_contrast

from ..reference import array
from ..reference_aua import pair_contrast

TEMPERATURE = 0.07
CHUNK = "SemiSupervisedSegLib.engine.losses.supervised_contrast.CHUNK"


def example(classes, count=40, images=3):
    vectors, labels = torch.randn(images, count, 6), torch.randint(classes, (images, count))
    return vectors + labels.unsqueeze(2), labels, torch.rand(images, count) < 0.7


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("chunk", [7, 1024])
def test_contrast_is_that_of_all_pairs_whatever_the_chunk(classes, chunk, monkeypatch):
    monkeypatch.setattr(CHUNK, chunk)
    vectors, labels, counted = example(classes)
    vectors.requires_grad_()
    loss = supervised_contrast(vectors, labels, counted, classes, TEMPERATURE)
    expected = pair_contrast(array(vectors), labels.numpy(), counted.numpy(), TEMPERATURE)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    loss.backward()
    assert vectors.grad[~counted].abs().max() == 0
    assert (vectors.grad[counted].abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize(
    "scenario", ["alone in its class", "nothing in an image", "nothing at all", "one class", "two"]
)
def test_contrast_drops_what_has_no_partner(scenario):
    vectors, labels, counted = example(2)
    if scenario == "alone in its class":
        labels[0] = 0
        labels[0, 3], counted[0, 3] = 1, True
    elif scenario == "nothing in an image":
        counted[1] = False
    elif scenario == "nothing at all":
        counted[:] = False
    elif scenario == "one class":
        labels.zero_()
    else:
        labels[2], counted[2] = 0, False
        labels[2, 1], counted[2, :2] = 1, True
    vectors.requires_grad_()
    loss = supervised_contrast(vectors, labels, counted, 2, TEMPERATURE)
    loss.backward()
    expected = pair_contrast(array(vectors), labels.numpy(), counted.numpy(), TEMPERATURE)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    assert vectors.grad.isfinite().all()


def test_gradients_of_the_contrast_by_finite_differences(monkeypatch):
    monkeypatch.setattr(CHUNK, 3)
    vectors, labels, counted = example(2, count=8, images=2)
    vectors = vectors.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: supervised_contrast(x, labels, counted, 2, 0.5), (vectors,))


def test_vectors_of_no_length_are_survived():
    vectors = torch.zeros(1, 6, 4, requires_grad=True)
    loss = supervised_contrast(
        vectors, torch.tensor([[0, 0, 0, 1, 1, 1]]), torch.ones(1, 6, dtype=bool), 2, TEMPERATURE
    )
    loss.backward()
    assert loss.item() == pytest.approx(math.log(5), abs=1e-5)
    assert vectors.grad.isfinite().all()

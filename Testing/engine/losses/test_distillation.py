from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.distillation import contrastive_distillation, pairwise_distillation

from ..reference import array


@pytest.mark.parametrize(("count", "temperature"), [(5, 0.5), (9, 0.07)])
def test_each_vector_is_compared_with_all_of_the_teacher(count, temperature):
    student, teacher = torch.randn(2, count, 6, dtype=torch.float64)
    s, t = (array(vectors) / np.linalg.norm(array(vectors), axis=1, keepdims=True) for vectors in (student, teacher))
    shares = [np.exp(s[i] @ t[i] / temperature) / np.exp(t @ s[i] / temperature).sum() for i in range(count)]
    ours = contrastive_distillation(student, teacher, temperature).item()
    assert ours == pytest.approx(-np.mean(np.log(shares)), rel=1e-10)


def test_a_single_vector_costs_nothing():
    vector = torch.randn(1, 6, requires_grad=True)
    loss = contrastive_distillation(vector, torch.randn(1, 6), 0.5)
    loss.backward()
    assert loss == 0 and vector.grad.abs().max() == 0


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 3, 2, 3, 4)])
def test_similarities_of_all_pairs_of_places_are_compared(shape):
    student, teacher = torch.randn(2, *shape, dtype=torch.float64)

    def cosine(maps, b, i, j):
        first, second = (array(maps)[b].reshape(shape[1], -1)[:, k] for k in (i, j))
        return first @ second / (np.linalg.norm(first) * np.linalg.norm(second))

    places = range(int(np.prod(shape[2:])))
    expected = np.mean(
        [(cosine(student, b, i, j) - cosine(teacher, b, i, j)) ** 2 for b in range(2) for i in places for j in places]
    )
    assert pairwise_distillation(student, teacher).item() == pytest.approx(expected, rel=1e-10)


def test_maps_of_nothing_but_zeros_have_finite_gradients():
    maps = torch.zeros(1, 3, 4, 4, requires_grad=True)
    pairwise_distillation(maps.relu(), torch.randn(1, 3, 4, 4)).backward()
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize(
    ("loss", "shape"),
    [(pairwise_distillation, (2, 4, 8, 8)), (lambda s, t: contrastive_distillation(s, t, 0.5), (6, 8))],
)
def test_losses_are_computed_in_float32_under_autocast(loss, shape):
    student, teacher = torch.randn(2, *shape).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ours = loss(student, teacher)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(loss(student.double(), teacher.double()).item(), abs=1e-5)

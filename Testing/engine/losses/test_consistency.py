from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.consistency import logit_consistency, probability_consistency

from .. import reference
from ..reference import array

SHAPES = [(2, 2, 8, 7), (1, 4, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_probability_consistency_is_the_mean_squared_difference_of_probabilities(shape):
    student, teacher = 2 * torch.randn(2, *shape)
    expected = np.mean((reference.softmax(array(student)) - reference.softmax(array(teacher))) ** 2)
    assert probability_consistency(student, teacher).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_logit_consistency_is_the_mean_squared_difference_of_logits(shape):
    student, teacher = 2 * torch.randn(2, *shape)
    expected = np.mean((array(student) - array(teacher)) ** 2)
    assert logit_consistency(student, teacher).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [probability_consistency, logit_consistency])
def test_consistency_is_computed_in_float32_under_autocast(loss):
    student, teacher = torch.randn(2, 2, 2, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ours = loss(student, teacher)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(loss(student.double(), teacher.double()).item(), abs=1e-5)

"""The teacher that averages its student, and the noise on its images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.methods.parts.teacher import MeanTeacher, clipped_noise

from ...reference import array


def test_noise_is_clipped_gaussian_and_drawn_anew():
    images = torch.full((2, 1, 64, 64), 3.0)
    first, second = array(clipped_noise(images, 0.1, 0.2)) - 3, array(clipped_noise(images, 0.1, 0.2)) - 3
    assert abs(first).max() == pytest.approx(0.2, abs=1e-6)
    assert first.std() == pytest.approx(0.0957, abs=0.003), "the deviation of N(0, 0.1) clipped at 0.2"
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_teacher_is_a_running_mean_at_first_and_a_moving_average_of_099_then():
    student = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    teacher = MeanTeacher(student, 0.99)
    expected = [np.zeros_like(array(p)) for p in student.parameters()]
    history = []
    for step in range(150):
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.add_(torch.randn_like(parameter))
        teacher.update(student, step)
        history.append(array(student[0].weight))
        decay = min(1 - 1 / (step + 1), 0.99)
        expected = [decay * e + (1 - decay) * array(p) for e, p in zip(expected, student.parameters(), strict=True)]
        for ours, wanted in zip(teacher.network.parameters(), expected, strict=True):
            np.testing.assert_allclose(array(ours), wanted, rtol=1e-4, atol=1e-5)
        if step == 99:
            np.testing.assert_allclose(array(teacher.network[0].weight), np.mean(history, axis=0), atol=1e-4)

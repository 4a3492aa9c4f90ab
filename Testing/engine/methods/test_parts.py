from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.losses.prototypes import Prototypes
from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.parts.noise import clipped_noise
from SemiSupervisedSegLib.engine.methods.parts.prototype_bank import PrototypeBank
from SemiSupervisedSegLib.engine.methods.parts.ramp import consistency_weight, gaussian_ramp
from SemiSupervisedSegLib.engine.methods.parts.teacher import MeanTeacher

from ..reference import array
from .toys import toy_batch, toy_method, weighted_sum


def settings(unit, steps, weight=1.0):
    return {"consistency_weight": weight, "ramp_unit": unit, "ramp_steps": steps}


@pytest.mark.parametrize("unit", ["iteration", "block150"])
@pytest.mark.parametrize(
    ("step", "weight"), [(0, 0.0067), (1500, 0.060), (3000, 0.287), (4500, 0.732), (6000, 1.0), (19999, 1.0)]
)
def test_ramp_of_40_blocks(unit, step, weight):
    assert consistency_weight(step, 20000, settings(unit, 6000)) == pytest.approx(weight, abs=5e-4)


def test_blocks_advance_every_150_steps_and_iterations_every_step():
    blocks = [consistency_weight(step, 20000, settings("block150", 6000)) for step in (1500, 1649, 1650)]
    assert blocks[0] == blocks[1] < blocks[2]
    assert blocks[2] == pytest.approx(math.exp(-5 * (1 - 11 / 40) ** 2))
    steps = [consistency_weight(step, 20000, settings("iteration", 6000)) for step in (1500, 1501)]
    assert steps[0] < steps[1] == pytest.approx(math.exp(-5 * (1 - 1501 / 6000) ** 2))


@pytest.mark.parametrize(("unit", "weight"), [("iteration", 0.574), ("block150", math.exp(-5 * (1 - 133 / 200) ** 2))])
def test_long_ramp_ends_below_its_maximum(unit, weight):
    """200 blocks in 20 000 iterations: the trap of the benchmark code."""
    assert consistency_weight(20000, 20000, settings(unit, 30000)) == pytest.approx(weight, abs=5e-4)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.1 * math.exp(-5)), (10000, 0.0287), (20000, 0.1)])
def test_ramp_over_the_whole_training_of_cpcl_and_cu2l(step, weight):
    assert consistency_weight(step, 20000, settings("iteration", 0, 0.1)) == pytest.approx(weight, abs=5e-5)


def test_ramp_of_no_length_is_over():
    assert gaussian_ramp(0, 0) == 1.0


@pytest.mark.parametrize(
    ("step", "threshold"),
    [(0, 0.75 + 0.15 * math.exp(-5)), (500, 0.75 + 0.15 * math.exp(-1.25)), (1000, 0.9)],
)
def test_confidence_threshold_rises_from_075_to_09(step, threshold):
    assert toy_method("cu2l").threshold(TrainingStep(step, 1000)) == pytest.approx(threshold)


def test_noise_is_clipped_gaussian_and_drawn_anew():
    images = torch.full((2, 1, 64, 64), 3.0)
    first, second = array(clipped_noise(images, 0.1, 0.2)) - 3, array(clipped_noise(images, 0.1, 0.2)) - 3
    assert abs(first).max() == pytest.approx(0.2, abs=1e-6)
    assert first.std() == pytest.approx(0.0957, abs=0.003), "the deviation of N(0, 0.1) clipped at 0.2"
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("variant", ["mean_teacher", "cpcl", "cpcl_released", "cu2l"])
def test_teacher_equals_student_after_the_first_step(variant):
    method, batch, training_step = toy_method(variant), toy_batch(), TrainingStep(0, 100)
    with torch.no_grad():
        for parameter in method.teacher.network.parameters():
            parameter.add_(1)
    optimizer = torch.optim.SGD(method.student.parameters(), lr=0.1)
    weighted_sum(method.losses(batch, training_step)).backward()
    optimizer.step()
    method.after_step(training_step)
    pairs = zip(method.teacher.network.parameters(), method.student.parameters(), strict=True)
    assert all(torch.equal(teacher, student) for teacher, student in pairs)


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


def test_buffers_are_not_averaged_and_the_teacher_keeps_statistics_of_its_own():
    method, batch = toy_method("mean_teacher"), toy_batch()
    norm, student_norm = (network.encoder.stages[0][1] for network in (method.teacher.network, method.student))
    student_norm.running_mean.fill_(7)
    norm.running_mean.fill_(3)
    method.after_step(TrainingStep(0, 10))
    method.after_step(TrainingStep(50, 100))
    assert norm.running_mean.unique().tolist() == [3]
    assert method.teacher.network.training, "the teacher stays in train mode while training"
    method.losses(batch, TrainingStep(0, 10))
    assert norm.running_mean.min() < 3


@pytest.mark.parametrize(("setting", "network"), [("student", "student"), ("teacher", "teacher")])
def test_network_that_predicts(setting, network):
    method = toy_method("cpcl", inference_network=setting)
    expected = method.student if network == "student" else method.teacher.network
    assert method.inference_network() is expected


def test_bank_averages_with_decay_09_and_keeps_absent_classes():
    bank, expected = PrototypeBank(3, 4, 0.9), np.zeros((3, 4))
    seen = np.zeros(3, bool)
    presence = [[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
    for valid in presence:
        vectors = torch.randn(3, 4) * torch.tensor(valid).unsqueeze(1)
        answer = bank.update(Prototypes(vectors, torch.tensor(valid, dtype=torch.bool)))
        for c in np.flatnonzero(valid):
            now = array(vectors[c])
            expected[c] = 0.9 * expected[c] + 0.1 * now if seen[c] else now
            seen[c] = True
        np.testing.assert_allclose(array(answer.vectors), expected, atol=1e-6)
        assert answer.valid.tolist() == seen.tolist()
    assert not seen[2]


def test_bank_answers_constants_that_later_updates_leave_alone():
    bank = PrototypeBank(2, 3, 0.9)
    vectors = torch.ones(2, 3, requires_grad=True)
    first = bank.update(Prototypes(vectors, torch.tensor([True, True])))
    bank.update(Prototypes(5 * vectors, torch.tensor([True, True])))
    assert not first.vectors.requires_grad
    assert first.vectors.unique().tolist() == [1]


def test_bank_is_part_of_the_state_that_is_saved():
    bank = PrototypeBank(2, 3, 0.9)
    bank.update(Prototypes(torch.rand(2, 3), torch.tensor([True, False])))
    other = PrototypeBank(2, 3, 0.9)
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.vectors, bank.vectors)
    assert other.valid.tolist() == [True, False]

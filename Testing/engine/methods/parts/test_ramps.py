"""Ramps of weights and thresholds."""

from __future__ import annotations

import math

import pytest

from SemiSupervisedSegLib.engine.methods.parts.ramps import consistency_weight, gaussian_ramp


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

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.training.average import POWER, AveragedNetwork
from SemiSupervisedSegLib.study.errors import UserError

from ..methods.toys import toy_method
from .families import TwoStages, build
from .toy_loop import KEY, Run, saved


@pytest.mark.parametrize("steps", [1, 40, 1000])
def test_the_last_steps_count_in_a_training_of_any_length(steps: int) -> None:
    """The weight of step t is proportional to t^POWER (Karras et al., equation 124, for whole steps)."""
    network = nn.BatchNorm1d(1)
    average = AveragedNetwork(network)
    for step in range(steps):
        for value in (network.weight, network.running_mean):
            value.data.fill_(step + 1)
        average.update(network, step)
    times = np.arange(1, steps + 1, dtype=float)
    # The product of what all later steps leave of it telescopes.
    weights = (times / steps) ** (POWER + 1) - ((times - 1) / steps) ** (POWER + 1)
    expected = float((weights * times).sum())
    assert average.network.weight.item() == pytest.approx(expected, rel=1e-5)
    assert average.network.running_mean.item() == pytest.approx(expected, rel=1e-5)
    assert not average.network.weight.requires_grad


def test_the_average_spreads_over_five_percent_of_the_training() -> None:
    deviation = math.sqrt((POWER + 1) / ((POWER + 2) ** 2 * (POWER + 3)))
    assert deviation == pytest.approx(0.05, abs=1e-4)


def test_predictions_are_of_the_average_and_the_training_is_the_same() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    method = toy_method("supervised", steps=3, average_weights=True)
    plain = copy.deepcopy(method)
    plain.settings = {**method.settings, "average_weights": False}
    averaged, last = Run(method), Run(plain)
    averaged.go()
    last.go()
    assert last.loop.inference_network() is plain.student
    for ours, theirs in zip(method.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    network = averaged.loop.inference_network()
    assert not torch.equal(network.head.weight, method.student.head.weight)
    for ours, theirs in zip(network.state_dict().values(), method.student.state_dict().values(), strict=True):
        torch.testing.assert_close(ours.float(), theirs.float(), atol=0.1 if ours.is_floating_point() else 3, rtol=0)


def test_every_stage_has_an_average_of_its_own() -> None:
    torch.manual_seed(0)
    run = Run(build(TwoStages, steps=4, average_weights=True))
    run.go()
    # The second stage draws a new head, of which the average of the first one knows nothing.
    head, trained = run.loop.inference_network().head.weight, run.loop.method.student.head.weight
    assert (head - trained).norm() < 0.2 * trained.norm()


def test_a_checkpoint_without_the_average_is_damaged(tmp_path) -> None:
    run = Run(toy_method("supervised", steps=2))
    run.go(save_to=tmp_path)
    assert saved(tmp_path / "1").average == {}
    with pytest.raises(UserError, match="damaged"):
        Run(toy_method("supervised", steps=2, average_weights=True)).loop.restore(saved(tmp_path / "1"))
    assert run.loop.checkpoint(KEY).average == {}

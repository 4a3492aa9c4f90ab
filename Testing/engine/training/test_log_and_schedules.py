from __future__ import annotations

import math

import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import Loss
from SemiSupervisedSegLib.engine.training.log import INTERVAL, LossLog
from SemiSupervisedSegLib.engine.training.schedules import learning_rate
from SemiSupervisedSegLib.study.errors import UserError


def test_means_are_of_the_steps_since_the_last_fetch() -> None:
    log = LossLog()
    for value in (1.0, 2.0, 6.0):
        log.add({"a": Loss(torch.tensor(value), 0.5), "b": Loss(torch.tensor(-value, dtype=torch.bfloat16))})
        log.end_step()
    assert log.fetch() == {"a": 3.0, "b": -3.0}
    log.add({"a": Loss(torch.tensor(5.0, requires_grad=True))})
    log.end_step()
    assert log.fetch() == {"a": 5.0}


def test_it_is_time_to_fetch_at_every_interval() -> None:
    log = LossLog()
    assert [log.end_step() for _ in range(INTERVAL)] == [False] * (INTERVAL - 1) + [True]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_an_error(value: float) -> None:
    log = LossLog()
    log.add({"fine": Loss(torch.tensor(1.0)), "ill": Loss(torch.tensor(value))})
    log.end_step()
    with pytest.raises(UserError, match='the loss "ill" is no longer a finite number'):
        log.fetch()


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("poly", 0, 0.01),
        ("poly", 10_000, 0.01 * 0.5**0.9),
        ("poly", 19_999, 0.01 * (1 / 20_000) ** 0.9),
        ("step", 2_499, 0.01),
        ("step", 2_500, 0.001),
        ("step", 5_000, 0.0001),
        ("constant", 19_999, 0.01),
        ("cosine", 0, 0.00001),
        ("cosine", 499, 0.005),
        ("cosine", 999, 0.01),
        ("cosine", 1_000, 0.01),
        ("cosine", 10_500, 0.005),
        ("cosine", 19_999, 0.01 * math.sin(math.pi / 38_000) ** 2),
    ],
)
def test_learning_rates_follow_their_schedule(schedule: str, step: int, expected: float) -> None:
    settings = {"learning_rate": 0.01, "learning_rate_schedule": schedule}
    assert learning_rate(step, 20_000, settings) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("steps", range(1, 30))
def test_the_cosine_reaches_the_learning_rate_in_a_training_of_any_length(steps: int) -> None:
    settings = {"learning_rate": 0.01, "learning_rate_schedule": "cosine"}
    rates = [learning_rate(step, steps, settings) for step in range(steps)]
    assert max(rates) == 0.01 and min(rates) > 0

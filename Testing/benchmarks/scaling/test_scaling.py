"""The costs that Docs/scaling.md is made of can be measured."""

from __future__ import annotations

import re

import pytest

from ..tiny import run


def test_costs_of_sending() -> None:
    said = run("scaling.sending")
    assert re.search(r"a case of 32x32x4 voxels of 16 bits .*: [\d.]+ MB sent, ", said)
    assert re.search(r"remote\.json made in .* ms to keep the offset of an event", said)


def test_costs_of_a_comparison() -> None:
    said = run("scaling.comparing")
    assert "8 trainings: made in " in said
    assert re.search(r"table after that, which reads what is new: [\d.]+ s", said)


@pytest.mark.slow
def test_costs_of_a_case() -> None:
    assert re.search(r"preprocess [\d.]+ s, predict [\d.]+ s, [\d.]+ MB prepared", run("scaling.preparing"))


@pytest.mark.slow
def test_costs_of_many_predictions() -> None:
    said = run("scaling.predicting")
    assert re.search(r"6 cases, 2 at a time: .* memory at most [1-9]\d* MB in the command and [1-9]\d* MB", said)

"""The costs that Docs/scaling.md is made of can be measured."""

from __future__ import annotations

import re
import shutil

import pytest

from ...jobs.remote.slurm_server import PROGRAMS
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


@pytest.mark.slow
def test_costs_of_an_array() -> None:
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed: apt-get install slurm-wlm munge")
    said = run("scaling.queueing")
    assert re.search(r"8 trainings, 8 at a time, in \d+ s: 5 finished, 3 failed twice, exit code 2", said)
    assert re.search(r"commands of Slurm: \d+ sbatch, [1-9]\d* squeue, 0 sacct, 0 scancel, 0 scontrol", said)
    assert re.search(r"files: [1-9]\d* on the cluster at most, [1-9]\d* here", said)

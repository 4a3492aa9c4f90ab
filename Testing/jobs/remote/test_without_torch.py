"""A computer without PyTorch has methods compared on a machine that has it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from SemiSupervisedSegLib.engine.worker import compare_job
from SemiSupervisedSegLib.jobs.events import Failed, StageStarted
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, worker_arguments, worker_environment
from SemiSupervisedSegLib.jobs.machines import add_machine

from ...engine.worker.comparing import METHODS, tiny_comparison
from ...engine.worker.rounds import tiny_study

_BLOCKED = """
import sys
class Blocked:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "monai"):
            raise ModuleNotFoundError(f"There is no {name} here.")
sys.meta_path.insert(0, Blocked)
"""


@pytest.fixture
def environment(tmp_path):
    """The environment of a worker in a Python that has neither PyTorch nor MONAI."""
    place = tmp_path / "without"
    place.mkdir()
    (place / "sitecustomize.py").write_text(_BLOCKED)
    return worker_environment(os.environ | {"PYTHONPATH": str(place)})


def elsewhere(study, at_once=1):
    comparison = tiny_comparison(study)
    comparison.write_request(replace(comparison.request(), machine="box", at_once=at_once))
    return comparison


@pytest.mark.slow
def test_without_torch_the_worker_of_a_comparison_fills_the_table(far, tmp_path, environment):
    assert subprocess.run([sys.executable, "-c", "import torch"], env=environment, check=False).returncode == 1
    add_machine(far.machine)
    comparison = elsewhere(tiny_study(tmp_path / "study"), at_once=2)
    command = [sys.executable, *worker_arguments(comparison, detached=True, shared=True)]
    worker = WorkerProcess(comparison, command, detached=True, environment=environment)
    assert worker.wait(280) == 0, comparison.log.read_text()
    table = comparison.table()
    assert [(row.method, row.finished, row.cases) for row in table.methods] == [(name, 2, 2) for name in METHODS]
    titles = [event.title for event in comparison.events()[0] if isinstance(event, StageStarted)]
    assert titles[:2] == ["Connecting to box", "Trainings on box, 2 at the same time"]
    assert "Sending images to box" in titles
    # Once they are there, what the trainings do is said again.
    assert titles[-1] == "Trainings on box, 2 at the same time"
    assert far.jobs() == []


def test_a_machine_that_is_away_is_said_before_anything_is_sent(far, tmp_path):
    add_machine(far.machine)
    comparison = elsewhere(tiny_study(tmp_path / "study"))
    far.wire.refuse = 1
    assert compare_job.main(comparison.path) == 2
    end = comparison.events()[0][-1]
    assert isinstance(end, Failed)
    assert end.message.startswith("box cannot be reached: ")
    assert comparison.status().state == "failed"
    assert not any((training.folder.path / "remote.json").exists() for training in comparison.trainings())

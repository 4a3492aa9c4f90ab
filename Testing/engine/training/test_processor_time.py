from __future__ import annotations

import os
from pathlib import Path

import pytest

from SemiSupervisedSegLib.engine.training.processor_time import ProcessorTime
from SemiSupervisedSegLib.engine.worker.training_round import saved_cpu_seconds
from SemiSupervisedSegLib.jobs.events import CheckpointSaved
from SemiSupervisedSegLib.jobs.folder import JobFolder


class Times:
    """Stands in for the clock of the system: user and system time of the process and of its ended children."""

    def __init__(self) -> None:
        self.values = [0.0, 0.0, 0.0, 0.0]

    def __call__(self) -> os.times_result:
        return os.times_result([*self.values, 1e6])


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    fake = Times()
    fake.values = [3.0, 1.0, 0.5, 0.25]
    monkeypatch.setattr(os, "times", fake)
    return fake


def test_all_processor_time_since_it_was_made_counts_but_that_of_pauses(times: Times) -> None:
    time = ProcessorTime()
    assert time.seconds == 0
    times.values = [4.0, 3.0, 4.5, 8.25]
    assert time.seconds == 15
    with time.paused():
        times.values[0] += 100
    times.values[1] += 2
    assert time.seconds == 17


def test_the_time_of_earlier_workers_is_added_where_it_is_known(times: Times) -> None:
    known, unknown = ProcessorTime(20.0), ProcessorTime(None)
    times.values[0] += 1.25
    assert known.seconds == 21.25
    assert unknown.seconds is None


def test_only_the_event_of_the_checkpoint_itself_tells_its_time(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "001-supervised")
    folder.append_event(CheckpointSaved(3, 6.5))
    assert saved_cpu_seconds(folder, 3) == 6.5
    assert saved_cpu_seconds(folder, 6) is None, "a checkpoint whose event was not written"
    folder.append_event(CheckpointSaved(6))
    assert saved_cpu_seconds(folder, 6) is None, "the event of an older program"

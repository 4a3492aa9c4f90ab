"""Workers that are killed, orphaned or asked to stop, and go on; all of them real processes on real files."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from SemiSupervisedSegLib.jobs.events import (
    Cancelled,
    CheckpointSaved,
    Event,
    Finished,
    Progress,
    Started,
    StepDone,
)
from SemiSupervisedSegLib.jobs.folder import JobFolder

from ...benchmarks.reliability.kill_and_resume import Trial
from .rounds import EXIT_CANCELLED, EXIT_FAILED, EXIT_FINISHED, contents, half_written, main, new_round, tiny_study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")
ROOT = Path(__file__).resolve().parents[3]
KILLS = 4


@pytest.mark.slow
def test_a_worker_killed_again_and_again_ends_with_the_same_model(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "study", "cu2l")
    folder = trial.new_round()
    generator = random.Random(5)
    # One instant in each quarter, so that the round gets on between the kills.
    instants = [(quarter + generator.random()) / KILLS * trial.seconds for quarter in range(KILLS)]
    kills = [trial.kill(folder, instant) for instant in instants]
    assert main(folder.path) == EXIT_FINISHED
    assert trial.is_identical(folder), kills
    assert kills[0].place < kills[-1].place, kills
    assert not half_written(folder.path)
    assert set(contents(folder)) == set(contents(trial.reference))


PARENT = """
import sys, time
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import launch
print(launch(JobFolder(sys.argv[1])).pid, flush=True)
time.sleep(300)
"""


def test_a_round_survives_its_parent_and_a_request_to_stop(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study = tiny_study(tmp_path / "study", external=1, sites=2)
    # Only the checkpoint of a stop is written; enough steps for any machine to hear of the stop in time.
    folder = new_round(study, "cu2l", {"steps": 80, "checkpoint_interval": 1000})

    orphaned = stop_of_an_orphan(folder)
    assert 0 < orphaned.step < 80

    seen = folder.end_of_events()
    output = tmp_path / "output"
    stopped = stop_on_request(folder, output, capfd)
    assert stopped.step > orphaned.step
    assert output.read_bytes() == (folder.path / "events.jsonl").read_bytes()[seen:]

    capfd.readouterr()
    seen = folder.end_of_events()
    folder.clear_cancel()
    assert main(folder.path) == EXIT_FINISHED
    assert capfd.readouterr().out.encode() == (folder.path / "events.jsonl").read_bytes()[seen:]
    assert next(event for event in folder.events(seen)[0] if isinstance(event, Started)).resumed_from == stopped.step
    assert_steps_rise(folder.events(seen)[0], stopped.step, 80)
    assert folder.status().state == "finished"
    assert folder.result()["steps"] == 80
    spent = [event.cpu_seconds for event in folder.events()[0] if isinstance(event, CheckpointSaved)]
    assert len(spent) == 3, "two stops and the end"
    assert spent == sorted(spent), "a resumed training goes on counting where it was"
    assert 0 < folder.result()["cpu_seconds"] == spent[-1]


def stop_of_an_orphan(folder: JobFolder) -> Cancelled:
    """Let a process start the worker, kill that process while the worker trains, and return how the worker ended."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PARENT, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        wait_for(folder, 0, is_prepared)
        parent.send_signal(signal.SIGKILL)
    psutil.wait_procs([worker], timeout=60)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    return ended_as_cancelled(folder)


def stop_on_request(folder: JobFolder, output: Path, capfd: pytest.CaptureFixture[str]) -> Cancelled:
    """Resume a worker whose output goes to a file, refuse a second one, stop the first and return how it ended."""
    folder.clear_cancel()
    seen = folder.end_of_events()
    command = [sys.executable, "-m", "SemiSupervisedSegLib", "worker", "--job", str(folder.path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (
        output.open("wb") as file,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.PIPE, env=environment
        ) as worker,
    ):
        assert wait_for(folder, seen, lambda event: isinstance(event, Started)).pid == worker.pid
        capfd.readouterr()
        assert main(folder.path) == EXIT_FAILED
        said = capfd.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"The job {folder.name} is in use by process {worker.pid} on ")
        wait_for(folder, seen, is_prepared)
        folder.request_cancel()
        assert worker.wait(60) == EXIT_CANCELLED
        assert worker.stderr.read() == b""
    return ended_as_cancelled(folder)


def ended_as_cancelled(folder: JobFolder) -> Cancelled:
    """Return the last event, which says that the worker was stopped, as the status and the checkpoint do."""
    saved, cancelled = folder.events()[0][-2:]
    assert isinstance(cancelled, Cancelled)
    assert isinstance(saved, CheckpointSaved)
    assert saved.step == cancelled.step
    assert (folder.checkpoints / "last.pt").is_file()
    assert (folder.status().state, folder.status().step) == ("cancelled", cancelled.step)
    assert not half_written(folder.path)
    return cancelled


def is_prepared(event: Event) -> bool:
    """Whether training comes next, in which a stop is heard of after half a second at the latest."""
    return isinstance(event, Progress) and event.stage == "preprocess" and event.done == event.total


def wait_for(folder: JobFolder, offset: int, wanted: Callable[[Event], bool], seconds: float = 120.0) -> Event:
    """Return the first such event behind an offset, as soon as it is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [event for event in folder.events(offset)[0] if wanted(event)]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"not in time; the last events are {folder.events(offset)[0][-2:]}")


def assert_steps_rise(events: list[Event], first: int, last: int) -> None:
    steps = [event.step for event in events if isinstance(event, StepDone)]
    assert steps == sorted(set(steps))
    assert steps[0] > first
    assert steps[-1] == last
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    times = [event.time for event in events]
    assert times == sorted(times)

"""The worker of a job on another machine: all that it says stands in the folder of the round."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from SemiSupervisedSegLib.commands.run_there import work_there
from SemiSupervisedSegLib.jobs.events import Cancelled, Event, Failed, StageStarted, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, worker_arguments
from SemiSupervisedSegLib.jobs.machines import add_machine, find_machine
from SemiSupervisedSegLib.jobs.outcome import Outcome
from SemiSupervisedSegLib.jobs.remote.connection import system_environment
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.remote.record import goes_on_elsewhere, keep_record, kept_machine, new_record

from .private_study import new_private_round, private_study

SECONDS = 120.0


@pytest.fixture
def job(far, tmp_path: Path) -> JobFolder:
    add_machine(far.machine)
    return new_private_round(private_study(tmp_path / "study"))


@pytest.fixture
def work(job: JobFolder) -> Iterator[Callable[[], WorkerProcess]]:
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        command = [sys.executable, *worker_arguments(job, detached=True, machine="box")]
        started.append(WorkerProcess(job, command, detached=True))
        return started[-1]

    yield start
    for worker in started:
        worker.kill_tree()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


class AtOnce(SshExecutor):
    """It connects before anybody has looked."""

    def submit(self, folder: JobFolder) -> str:
        self.looks = iter(("running", "stopped"))
        return folder.name

    def state(self, folder: JobFolder) -> str:
        return next(self.looks)

    def outcome(self, folder: JobFolder) -> Outcome:
        return Outcome("stopped", "", "")

    def events(self, folder: JobFolder) -> list[Event]:
        return []


def test_connecting_is_said_however_fast_it_begins(far, job):
    job.append_event(StageStarted("fetch", "Fetching results from box", 2))
    work_there(job, AtOnce(far.machine))
    assert [event.title for event in job.events()[0] if isinstance(event, StageStarted)] == [
        "Fetching results from box",
        "Connecting to box",
    ]


def test_a_failure_is_an_event_and_the_status(far, job, work):
    # What is there is not this program.
    (far.folder / "venv" / "bin" / "python").unlink()
    assert work().wait(SECONDS) == 2
    (failure,) = [event for event in job.events()[0] if isinstance(event, Failed)]
    assert failure.message == "SemiSupervisedSeg is not installed on box."
    assert "Set up" in failure.advice
    assert job.status().state == "failed"
    assert failure.message in job.status().message
    assert kept_machine(job) == "box"
    assert not goes_on_elsewhere(job)


def test_nothing_is_sent_to_another_program(far, job, monkeypatch):
    monkeypatch.setattr("SemiSupervisedSegLib.jobs.remote.same_program.package_digest", lambda: "another")
    assert work_there(job, SshExecutor(find_machine("box"))) == 2
    assert "another state of version" in job.status().message
    assert far.jobs() == []


def test_a_machine_that_is_away_is_said_and_the_round_can_be_stopped(far, job, work):
    far.wire.refuse = 1000
    worker = work()
    wait_for(lambda: len(job.events()[0]) > 1)
    said = job.events()[0][1]
    assert said.name == "connect"
    assert said.title.startswith("box cannot be reached")
    assert "Trying again in" in said.title
    assert goes_on_elsewhere(job)
    job.request_cancel()
    assert not goes_on_elsewhere(job)
    assert worker.wait(SECONDS) == 3
    assert job.events()[0][-1].step == 0
    assert isinstance(job.events()[0][-1], Cancelled)
    assert job.status().state == "cancelled"


def test_a_stop_that_was_requested_while_it_began_holds(far, job):
    far.wire.refuse = 1000
    job.request_cancel()
    # Unlike by the one who starts a worker, the request is not taken back.
    command = [sys.executable, *worker_arguments(job, detached=True, machine="box")]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False).returncode == 3
    assert job.cancel_requested()
    assert far.jobs() == []


def test_who_comes_second_leaves_the_round_alone(far, job, work):
    with job.lock():
        assert work().wait(SECONDS) == 2
    assert job.events()[0] == []
    assert job.status().state == "waiting"
    assert "in use" in job.log.read_text()


def test_a_stage_is_said_again_when_the_connection_is_back(far, job, work):
    far.wire.budget["up"] = 30_000
    worker = work()
    wait_for(lambda: far.wire.cuts)
    assert worker.wait(SECONDS) == 0
    stages = [event.name for event in job.events()[0] if isinstance(event, StageStarted)]
    assert stages[:4] == ["connect", "send", "connect", "send"]
    assert "fetch" in stages
    assert job.is_finished()
    assert far.jobs() == []


def test_a_round_whose_results_wait_there_goes_on(job):
    assert not goes_on_elsewhere(job)
    keep_record(job, new_record(job, "box"), is_sent=True)
    assert goes_on_elsewhere(job)
    job.write_status("running")
    assert goes_on_elsewhere(job)
    for state in ("finished", "cancelled", "failed"):
        job.write_status(state)
        assert not goes_on_elsewhere(job)


def test_programs_of_the_system_do_not_load_the_libraries_of_slicer():
    own = {"PATH": "p", "LD_LIBRARY_PATH": "x"}
    assert system_environment(own) == own
    launched = {
        "APPLAUNCHER_LEVEL": "1",
        "APPLAUNCHER_0_LD_LIBRARY_PATH": "x",
        "LD_LIBRARY_PATH": "slicer:x",
        "PATH": "p",
    }
    assert system_environment(launched) == launched | {"LD_LIBRARY_PATH": "x"}
    del launched["APPLAUNCHER_0_LD_LIBRARY_PATH"]
    assert "LD_LIBRARY_PATH" not in system_environment(launched)


def test_what_a_round_was_doing_is_said_again_when_it_is_followed_again(job):
    class There:
        """An executor that has news of a job that trains already."""

        machine = find_machine("box")

        def __init__(self) -> None:
            self.states = iter(["waiting", "running", "running", "finished", "finished"])
            self.news = iter([[], [StepDone("train", 5, 9, {}, 0.1)]])

        def submit(self, folder):
            """Nothing is sent."""

        def state(self, folder):
            return next(self.states)

        def events(self, folder):
            return next(self.news, [])

        def notices(self):
            return []

        def outcome(self, folder):
            return Outcome("finished")

    training = StageStarted("train", "Training", 9)
    job.append_event(training)
    assert work_there(job, There()) == 0
    said = [(event.name, event.title) for event in job.events()[0]]
    assert said == [("train", "Training"), ("connect", "Connecting to box"), ("train", "Training")]

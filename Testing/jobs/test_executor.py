"""The queue on this computer, with small programs as workers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs import executor
from SemiSupervisedSegLib.jobs.events import StepDone
from SemiSupervisedSegLib.jobs.executor import ENDED, LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
from SemiSupervisedSegLib.study.errors import UserError

_HEAD = """
import sys, time
from SemiSupervisedSegLib.jobs.events import *
from SemiSupervisedSegLib.jobs.folder import JobFolder
folder = JobFolder(sys.argv[1])
folder.append_event(StepDone("train", 1, 2, {}, 0.1))
"""
FINISHES = "folder.write_result({})"
FAILS = "folder.append_event(Failed('Too big.', 'Lower it.')); sys.exit(2)"
UNTIL_STOPPED = """
while not folder.cancel_requested():
    time.sleep(0.01)
folder.append_event(Cancelled(7)); sys.exit(3)
"""


def queue_of(scripts: dict[str, str], limit: int = 1) -> LocalQueue:
    """A queue whose job of a name does what its script says."""

    def start(folder: JobFolder) -> WorkerProcess:
        return WorkerProcess(folder, [sys.executable, "-c", _HEAD + scripts[folder.name], str(folder.path)])

    return LocalQueue(start, limit)


@pytest.fixture
def make_jobs(tmp_path: Path) -> Callable[[int], list[JobFolder]]:
    def make(count: int) -> list[JobFolder]:
        folders = [JobFolder(tmp_path / str(number)) for number in range(count)]
        for folder in folders:
            folder.path.mkdir(exist_ok=True)
        return folders

    return make


def wait_until(happened: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def test_jobs_run_one_after_another_and_a_failure_stops_no_other(make_jobs):
    jobs = make_jobs(3)
    queue = queue_of({"0": FINISHES, "1": FAILS, "2": FINISHES})
    for job in jobs:
        queue.submit(job)
    seen = []

    def all_ended() -> bool:
        states = [queue.state(job) for job in jobs]
        seen.append(states)
        return all(state in ENDED for state in states)

    wait_until(all_ended)
    assert all(states.count("running") <= 1 for states in seen)
    assert seen[-1] == ["finished", "failed", "finished"]
    assert queue.outcome(jobs[1]).message == "Too big."
    assert [type(event) for event in queue.events(jobs[0])] == [StepDone]
    assert queue.events(jobs[0]) == []


def test_a_number_of_jobs_run_at_the_same_time(make_jobs):
    jobs = make_jobs(4)
    queue = queue_of(dict.fromkeys("0123", UNTIL_STOPPED), limit=2)
    for job in jobs:
        queue.submit(job)
    # Not those of the queue, which tells each once.
    wait_until(lambda: all(queue.state(job) == "running" and job.events()[0] for job in jobs[:2]))
    assert [queue.state(job) for job in jobs[2:]] == ["waiting", "waiting"]
    jobs[1].request_cancel()
    wait_until(lambda: queue.state(jobs[2]) == "running")
    queue.cancel()
    wait_until(lambda: all(queue.state(job) in ENDED for job in jobs))
    assert [queue.state(job) for job in jobs] == ["stopped"] * 4
    assert [queue.outcome(job).step for job in jobs] == [7, 7, 7, 0]


def test_a_job_that_failed_is_submitted_once_more(make_jobs):
    (job,) = make_jobs(1)
    queue = queue_of({"0": "if len(folder.events()[0]) == 1: sys.exit(2)\n" + FINISHES})
    for state in ("failed", "finished"):
        queue.submit(job)
        assert queue.state(job) == "running"
        wait_until(lambda: queue.state(job) in ENDED)
        assert queue.state(job) == state


def test_jobs_at_the_same_time_share_the_processor(make_jobs, monkeypatch):
    started = []
    monkeypatch.setattr(executor, "launch", lambda folder, threads: started.append(threads) or Idle(folder))
    monkeypatch.setattr(executor, "available_cores", lambda: 8)
    for limit in (1, 3, 20):
        queue = LocalQueue(limit=limit)
        (job,) = make_jobs(1)
        queue.submit(job)
        queue.state(job)
    assert started == [None, 2, 1]


class Idle:
    """A worker that does nothing."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder

    def poll(self) -> None:
        return None


def test_cancel_asks_the_running_job_to_save_and_starts_no_other(make_jobs):
    jobs = make_jobs(2)
    queue = queue_of({"0": UNTIL_STOPPED, "1": FINISHES})
    for job in jobs:
        queue.submit(job)
    wait_until(lambda: queue.state(jobs[0]) == "running" and bool(queue.events(jobs[0])))
    queue.cancel()
    wait_until(lambda: queue.state(jobs[0]) in ENDED)
    assert [queue.state(job) for job in jobs] == ["stopped", "stopped"]
    assert queue.outcome(jobs[0]).step == 7
    assert jobs[1].result() is None


def test_a_job_that_another_worker_holds_waits(make_jobs):
    (job,) = make_jobs(1)
    queue = queue_of({"0": FINISHES})
    queue.submit(job)
    with job.lock():
        assert queue.state(job) == "waiting"
    wait_until(lambda: queue.state(job) == "finished")


def test_a_worker_that_cannot_be_started_is_a_failure_of_its_job(make_jobs):
    (job,) = make_jobs(1)

    def refuse(folder: JobFolder) -> WorkerProcess:
        raise UserError("The disk is full.", "Free some space.")

    queue = LocalQueue(refuse)
    queue.submit(job)
    assert queue.state(job) == "failed"
    assert queue.outcome(job).message == "The disk is full."

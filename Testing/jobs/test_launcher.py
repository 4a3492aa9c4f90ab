from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from SemiSupervisedSegLib.jobs.events import Cancelled, CheckpointSaved, Started
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import os, subprocess, sys, time
from SemiSupervisedSegLib.jobs.events import *
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.parent import watch_parent
folder = JobFolder(sys.argv[1])
"""
STEPS_UNTIL_CANCELLED = """
folder.append_event(Started("cpu", os.getpid()))
step = 0
while not folder.cancel_requested():
    step += 1
    time.sleep(0.01)
folder.append_event(Cancelled(step))
"""
STUBBORN_WITH_CHILD = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
folder.append_event(Started("cpu", child.pid))
time.sleep(100)
"""


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "001-cu2l")
    folder.path.mkdir()
    return folder


def start(folder: JobFolder, script: str, detached: bool = False) -> WorkerProcess:
    return WorkerProcess(folder, [sys.executable, "-c", HEAD + textwrap.dedent(script), str(folder.path)], detached)


def wait_for_event(worker: WorkerProcess) -> Started:
    for event in worker.events():
        assert isinstance(event, Started)
        return event
    raise AssertionError(worker.folder.log.read_text())


def wait_until_gone(pid: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_all_events_arrive_up_to_the_last_one_before_the_end(folder: JobFolder) -> None:
    folder.append_event(CheckpointSaved(999))
    worker = start(folder, "for step in range(300): folder.append_event(CheckpointSaved(step))\nsys.exit(7)")
    assert [event.step for event in worker.events()] == list(range(300))
    assert worker.wait() == 7
    assert len(worker.all_events()) == 300


def test_standard_error_goes_to_the_log(folder: JobFolder) -> None:
    assert start(folder, "print('x' * 1_000_000)\nraise SystemExit('bad luck äöü')").wait(10) == 1
    assert folder.log.read_text(encoding="utf-8").strip() == "bad luck äöü"


def test_cancel_lets_the_worker_end_by_itself(folder: JobFolder) -> None:
    folder.request_cancel()
    worker = start(folder, STEPS_UNTIL_CANCELLED)
    wait_for_event(worker)
    time.sleep(0.2)
    assert worker.poll() is None, "an old request must not stop a new worker"
    assert worker.cancel(grace=10) == 0
    assert isinstance(worker.all_events()[-1], Cancelled)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_cancel_kills_a_worker_that_does_not_listen_and_its_children(folder: JobFolder) -> None:
    worker = start(folder, STUBBORN_WITH_CHILD)
    child = wait_for_event(worker).pid
    assert psutil.pid_exists(child)
    assert worker.cancel(grace=0.2) == -signal.SIGKILL
    assert wait_until_gone(child)
    assert worker.kill_tree() == -signal.SIGKILL, "to kill what is dead is no error"


WATCHED = """
watch_parent(lambda: (folder.append_event(Cancelled(1)), os._exit(5)))
folder.append_event(Started("cpu", os.getpid()))
time.sleep(100)
"""
PARENT = """
import sys, time
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
worker = WorkerProcess(JobFolder(sys.argv[1]), [sys.executable, "-c", sys.argv[2], sys.argv[1]], sys.argv[3] == "yes")
next(worker.events())
print(worker.pid, flush=True)
time.sleep(100)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_worker_ends_when_its_parent_is_killed(folder: JobFolder, end: signal.Signals) -> None:
    worker = parent_and_worker(folder, WATCHED, "no", end)
    assert wait_until_gone(worker)
    assert isinstance(folder.events()[0][-1], Cancelled)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_detached_worker_outlives_its_parent(folder: JobFolder) -> None:
    worker = parent_and_worker(folder, STEPS_UNTIL_CANCELLED, "yes", signal.SIGKILL)
    try:
        assert not wait_until_gone(worker, 0.5)
    finally:
        folder.request_cancel()
    assert wait_until_gone(worker)


def parent_and_worker(folder: JobFolder, script: str, detached: str, end: signal.Signals) -> int:
    """Start a process that starts a worker, end the first and return the id of the second."""
    command = [sys.executable, "-c", PARENT, str(folder.path), HEAD + script, detached]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(end)
    return worker

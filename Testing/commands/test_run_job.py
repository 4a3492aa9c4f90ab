from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from SemiSupervisedSegLib.commands import run_job as module
from SemiSupervisedSegLib.commands.run_job import run_job
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
from SemiSupervisedSegLib.study.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import os, signal, sys, time
from SemiSupervisedSegLib.jobs.events import *
from SemiSupervisedSegLib.jobs.folder import JobFolder
folder = JobFolder(sys.argv[1])
folder.append_event(Started("the processor", os.getpid()))
"""
UNTIL_CANCELLED = (
    "while not folder.cancel_requested(): time.sleep(0.01)\nfolder.append_event(Cancelled(7)); sys.exit(3)"
)
# Programs in the background of a shell ignore Ctrl-C, and so would this one if the tests run there.
INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from SemiSupervisedSegLib.commands import run_job
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
run_job.launch = lambda folder: WorkerProcess(folder, [sys.executable, "-c", sys.argv[2], sys.argv[1]])
try:
    run_job.run_job(JobFolder(sys.argv[1]))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobFolder:
    folder = JobFolder(tmp_path / "001-cu2l")
    folder.path.mkdir()
    return folder


def run(monkeypatch: pytest.MonkeyPatch, folder: JobFolder, script: str) -> dict:
    command = [sys.executable, "-c", HEAD + script, str(folder.path)]
    monkeypatch.setattr(module, "launch", lambda job: WorkerProcess(job, command))
    return run_job(folder)


def test_the_result_comes_back(monkeypatch, folder, capsys) -> None:
    assert run(monkeypatch, folder, "folder.write_result({'mean_dice': 0.5})") == {"mean_dice": 0.5}
    assert capsys.readouterr().out == "Computing on the processor.\n"


def test_a_failure_is_said_as_the_worker_said_it(monkeypatch, folder) -> None:
    with pytest.raises(UserError, match=r"Too big\. Lower it\."):
        run(monkeypatch, folder, "folder.append_event(Failed('Too big.', 'Lower it.')); sys.exit(2)")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit(0)", "exit code 0"),
        ("sys.exit(9)", "exit code 9"),
        ("sys.exit('in use')", "exit code 1.* in use"),
        # As the kernel ends what takes too much memory, and as shells and launchers say it of what they started.
        ("os.kill(os.getpid(), 9)", "SIGKILL.*memory"),
        ("sys.exit(137)", "SIGKILL.*memory"),
        ("sys.exit(255)", "exit code 255"),
    ],
)
def test_a_worker_that_ends_without_result_has_failed(monkeypatch, folder, script: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(monkeypatch, folder, script)


def test_failures_of_an_earlier_run_do_not_count(monkeypatch, folder) -> None:
    with pytest.raises(UserError):
        run(monkeypatch, folder, "folder.append_event(Failed('Too big.', '')); sys.exit(2)")
    assert run(monkeypatch, folder, "folder.write_result({})") == {}


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_asks_for_a_checkpoint_and_a_second_one_ends_at_once(folder: JobFolder) -> None:
    first = interrupt(folder, UNTIL_CANCELLED, times=1)
    assert "Stopped at step 7" in first
    stubborn = interrupt(folder, "time.sleep(100)", times=2)
    assert "Stopped" not in stubborn
    assert folder.cancel_requested()
    stubborn_worker = folder.events()[0][-1].pid
    assert not psutil.pid_exists(stubborn_worker)


def interrupt(folder: JobFolder, script: str, times: int) -> str:
    """Run a job, interrupt it so many times, each when it has said something, and return what it said after that."""
    command = [sys.executable, "-c", INTERRUPTED, str(folder.path), HEAD + script]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for _ in range(times):
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    return rest

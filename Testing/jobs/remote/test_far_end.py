"""The far end of a connection, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import worker_environment
from SemiSupervisedSegLib.jobs.remote.connection import FAR_END, Connection
from SemiSupervisedSegLib.study.errors import UserError

from .slurm_server import wait_until

SECONDS = 120.0


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path / "far" / "there" / "jobs" / "0123456789ab" / "rounds" / "001-supervised")


def test_whoever_watches_a_job_ends_with_the_connection_and_leaves_the_job(job):
    job.path.mkdir(parents=True)
    with job.lock():
        command = [sys.executable, "-m", FAR_END, "watch", str(job.path), "0"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=worker_environment(), **pipes) as watcher:
            # Its output stays open, as that of a connection of which one half is gone.
            watcher.stdin.close()
            assert watcher.wait(SECONDS) == 1
        assert not job.cancel_requested()


def test_a_connection_that_is_cut_leaves_nothing_behind(far, job):
    job.path.mkdir(parents=True)
    with job.lock(), pytest.raises(UserError), Connection(far.machine).far_end("watch", str(job.path), "0"):
        wait_until(far.processes, SECONDS)
        far.wire.cut()
        wait_until(lambda: not far.processes(), SECONDS)

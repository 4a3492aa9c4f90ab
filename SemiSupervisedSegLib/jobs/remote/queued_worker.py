"""What Slurm runs in the turn of a job: its worker, which pauses before the turn is over and goes on in the next one.

submitit (MIT, https://github.com/facebookincubator/submitit) submits it, loads it on the node, and has the job queued
again when Slurm says that its time is nearly over.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import Any

from ...study.files import open_no_link
from ..folder import JobFolder
from ..launcher import worker_arguments, worker_environment
from ..outcome import EXIT_PAUSED
from . import slurm_commands

WARNING_SECONDS = 90
"""How long before the end of its turn a job is told."""
_SAVE_SECONDS = 60.0
_POLL_SECONDS = 0.2


class QueuedWorker:
    """Runs the worker of a job on a node; submitit keeps it as a file until then.

    Args:
        folder: Path of the job folder, which nodes see as the machine that submits does.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pid = 0

    def __call__(self) -> int:
        """Run the worker until it ends, and return its exit code."""
        job = JobFolder(self._folder)
        if job.pause_requested():
            # The turn of an earlier worker was over; a stop of the user stays.
            job.clear_cancel()
        with open(job.log, "ab", opener=open_no_link) as log:
            command = [sys.executable, *worker_arguments(job, detached=True, queued=True)]
            worker = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=worker_environment()
            )
        self._pid = worker.pid
        # Not worker.wait(), whose lock would keep `checkpoint` from noticing the end.
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        code = worker.wait()
        if code == EXIT_PAUSED:
            _queue_again()
        return code

    def checkpoint(self) -> Any:
        """Let the worker save what it learned, and return what submitit runs in the next turn; None after the end."""
        from submitit.helpers import DelayedSubmission

        job = JobFolder(self._folder)
        job.request_pause()
        end = time.monotonic() + _SAVE_SECONDS
        while time.monotonic() < end and not self._has_ended():
            time.sleep(_POLL_SECONDS)
        if job.is_finished() or not job.pause_requested():
            return None
        return DelayedSubmission(QueuedWorker(self._folder))

    def _has_ended(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        return True


def _queue_again() -> None:
    """Have this job queued again after a signal to its worker, unless Slurm ends it or queues it again itself."""
    job_id = _own_id()
    if slurm_commands.find(job_id).state == "RUNNING":
        slurm_commands.run("scontrol", "requeue", job_id)


def _own_id() -> str:
    """Return the id of this job as the queue shows it, such as 17, or 17_3 in an array."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]

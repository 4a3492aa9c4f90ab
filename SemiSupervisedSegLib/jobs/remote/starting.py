"""Starts jobs on this machine, at once or in the queue of Slurm, for the far end of a connection."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...study.errors import UserError
from ...study.locking import hold_lock
from ..folder import JobFolder
from ..launcher import launch
from ..slurm_request import SlurmRequest
from ..versions import missing_packages, package_digest
from .slurm_job import SlurmJob, submit_array

_POLL_SECONDS = 0.05
# Each waits a moment itself.
_ATTEMPTS = 300


def start(folder: str, offset: str, digest: str, *request: str) -> dict[str, Any]:
    """Start the worker of a job, unless it runs, is complete, or has ended with events that were not read yet.

    A program that is not the one of the given digest starts nothing and says which version it is. Where something is
    requested of Slurm, the job is queued, and the answer has its id.
    """
    from ... import __version__

    job = JobFolder(folder)
    queued = SlurmJob(job)
    if not job.exists():
        raise UserError("The round is not there any more.", "Its results may have been fetched to another computer.")
    with _alone(job):
        is_working = queued.is_queued() if request else job.is_running()
        if is_working and request:
            # Its id was not kept where the connection was cut too early.
            queued.submit(SlurmRequest.from_words(request))
        if is_working or job.is_finished() or job.end_of_events() > int(offset):
            return {}
        if package_digest() != digest:
            return {"other_version": __version__}
        if missing := missing_packages():
            raise UserError(f"{', '.join(missing)} is not installed.", "Set the machine up, and run the round again.")
        if request:
            return {"job": queued.submit(SlurmRequest.from_words(request))}
        worker = launch(job, detached=True)
        # Until it holds the job, or has given up, nobody could tell that it runs.
        while worker.poll() is None and not job.is_running():
            time.sleep(_POLL_SECONDS)
    return {}


def start_together(folder: str, limit: str, digest: str, *request: str) -> dict[str, Any]:
    """Queue the jobs beside each other that standard input names, one a line, as one array; it may be repeated.

    So many of them run at a time. `start` finds each of them in the queue then.
    """
    from ... import __version__

    jobs = [JobFolder(Path(folder, "rounds", name)) for name in sys.stdin.read().splitlines()]
    with _alone(jobs[-1]):
        if SlurmJob(jobs[-1]).exists():
            return {}
        if package_digest() != digest:
            return {"other_version": __version__}
        return {"job": submit_array(jobs, int(limit), SlurmRequest.from_words(request))}


def withdraw(folder: str) -> dict[str, Any]:
    """Take what has not begun of a job and its array out of the queue."""
    queued = SlurmJob(JobFolder(folder))
    if queued.exists():
        queued.withdraw()
    return {}


@contextlib.contextmanager
def _alone(job: JobFolder) -> Iterator[None]:
    """Wait until no other connection starts the job; raises UserError when that takes long."""
    with contextlib.ExitStack() as stack:
        for left in reversed(range(_ATTEMPTS)):
            try:
                stack.enter_context(hold_lock(job.path / "start.lock", "The start of the round"))
                break
            except UserError:
                if not left:
                    raise
        yield

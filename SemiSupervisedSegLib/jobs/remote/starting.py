"""Starts jobs on this machine, at once or in the queue of Slurm, and removes them, for the far end of a connection."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
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
_NAME = re.compile(r"[0-9a-f]{12}/[A-Za-z0-9_-]+")
_END_SECONDS, _END_POLL_SECONDS = 60.0, 1.0


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
        # The id was not kept where the connection was cut too early.
        is_working = queued.adopt(SlurmRequest.from_words(request)) if request else job.is_running()
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


def discard(folder: str) -> dict[str, Any]:
    """Stop and remove the jobs that standard input names, one a line as TOKEN/NAME, and say which still run.

    Nothing is removed under a worker, which gets a minute to end.
    """
    names = [name for name in sys.stdin.read().splitlines() if _NAME.fullmatch(name)]
    jobs = {name: JobFolder(Path(folder, name.replace("/", "/rounds/"))) for name in names}
    for job in jobs.values():
        _end(job)
    running, end = list(jobs), time.monotonic() + _END_SECONDS
    while running and time.monotonic() < end:
        for name in tuple(running):
            if not _is_at_work(jobs[name]):
                running.remove(name)
                remove(os.fspath(jobs[name].path.parents[1]), jobs[name].name)
        if running:
            time.sleep(_END_POLL_SECONDS)
    return {"running": running}


def remove(folder: str, name: str) -> dict[str, Any]:
    """Remove a job, and the images with the last of those that share them."""
    rounds = Path(folder, "rounds")
    shutil.rmtree(rounds / name, ignore_errors=True)
    if not rounds.is_dir() or not any(rounds.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(f"{folder}.part", ignore_errors=True)
    return {}


def _end(job: JobFolder) -> None:
    if job.is_running():
        job.request_cancel()
    queued = SlurmJob(job)
    if queued.exists():
        queued.cancel()


def _is_at_work(job: JobFolder) -> bool:
    queued = SlurmJob(job)
    return job.is_running() or (queued.exists() and queued.is_queued())


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

"""A job in the queue of Slurm, on the machine that submits it: submitted once, followed, and explained at its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...study.errors import UserError
from ...study.files import write_text_atomically
from ..folder import JobFolder
from ..records import from_plain, to_plain
from ..slurm_request import SlurmRequest
from . import slurm_commands
from .queued_worker import WARNING_SECONDS, QueuedWorker
from .shared_queue import SharedQueue
from .slurm_commands import UNKNOWN, QueueEntry, SlurmAway, SlurmRefused
from .slurm_words import describe_end, describe_wait

_FILE, _LOGS = "slurm.json", "slurm"
_NAME = "semi-supervised-seg-"
# Ends that say nothing against a job, which goes on from its checkpoint. Usually Slurm has queued it again itself.
_NOT_ITS_FAULT = frozenset(("TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"))
_ENDED = _NOT_ITS_FAULT | {"CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "REVOKED"}
_MEMORY = re.compile(r"slurmstepd.*(exceeded memory limit|oom.kill)", re.IGNORECASE)
_MOST_TURNS, _MOST_SUBMISSIONS = 1000, 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_GRACE_SECONDS = 120.0


@dataclass(frozen=True)
class _Record:
    """What is kept beside a job: its id, what it asked for, and how often it was submitted since a person did."""

    id: str
    request: SlurmRequest
    submissions: int = 1


class SlurmJob:
    """The job of a folder in the queue.

    Args:
        folder: Folder of the job.

    Attributes:
        stop: Whether the user wants the job to end; another thread may set it.
    """

    def __init__(self, folder: JobFolder) -> None:
        self.stop = False
        self._folder = folder
        self._file = folder.path / _FILE
        # Several jobs may lie in one folder, beside the images that they share; an array of them has its name.
        self._home = folder.path.parent.parent
        self._queue = SharedQueue(self._home)
        self._array_name = f"{_NAME}{self._home.name}"
        self._name = f"{self._array_name}-{folder.name}"
        self._state = self._said = ""
        self._ask_at = self._stop_at = 0.0
        self._pause = _FIRST_PAUSE
        self._notices: list[str] = []

    def exists(self) -> bool:
        """Return whether the job was given to Slurm."""
        return self._file.exists()

    def is_queued(self) -> bool:
        """Return whether Slurm has the job and it has not ended; raises SlurmAway."""
        return bool(self._queued())

    def adopt(self, request: SlurmRequest) -> bool:
        """Return whether Slurm has the job and it has not ended, and keep its id; raises SlurmAway, or UserError."""
        if self.exists() and not self._folder.end_of_events():
            # Of one that has not begun, as most of a long array, what another follower was told will do.
            entry = self._queue.find(self._record().id, _LONGEST_PAUSE)
            if entry is not None and entry.state not in _ENDED | {UNKNOWN}:
                return True
        known = self._queued()
        if known:
            self.keep(known[-1], request)
        return bool(known)

    def submit(self, request: SlurmRequest, submissions: int = 1) -> str:
        """Have the job queued and return its id; raises UserError where Slurm refuses it."""
        # One whose submission was cut off before its id was kept is found by its name.
        known = self._queued()
        if not known:
            self._folder.clear_cancel()
        job_id = known[-1] if known else _submit([self._folder], self._folder.path / _LOGS, self._name, request)[0]
        self.keep(job_id, request, submissions)
        return job_id

    def keep(self, job_id: str, request: SlurmRequest, submissions: int = 1) -> None:
        """Keep the id of the job in the queue; raises UserError when it cannot be written."""
        record = _Record(job_id, request, submissions)
        write_text_atomically(self._file, json.dumps(to_plain(record), indent=2) + "\n")

    def withdraw(self) -> None:
        """Take what has not begun of this job, and of its array, out of the queue."""
        # What has ended cannot be cancelled.
        with contextlib.suppress(SlurmRefused):
            slurm_commands.run("scancel", "--state=PENDING", self._record().id.split("_")[0])

    def cancel(self) -> None:
        """End the job, whether it waits or runs, and give it up; raises SlurmAway."""
        # What has ended, or was forgotten, cannot be cancelled.
        with contextlib.suppress(SlurmRefused):
            slurm_commands.run("scancel", self._record().id)

    def goes_on(self) -> bool:
        """Return whether the job waits or runs, or was queued again now; Slurm is asked now and then, for all jobs."""
        if time.monotonic() < self._ask_at:
            return True
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._ask_at = time.monotonic() + self._pause
        try:
            entry = self._queue.find(self._record().id, self._pause / 2)
            if entry is None:
                return True
            self._take(entry)
            if entry.state in _ENDED | {UNKNOWN}:
                return self._queue_again(entry)
            if self._is_to_stop():
                self._stop(entry)
        except SlurmAway as away:
            self._say(f"{away.message} The job goes on.")
        return True

    def expect_end(self) -> None:
        """Ask Slurm at once and often from now on, as the worker has said that it ended."""
        self._ask_at, self._pause = 0.0, _FIRST_PAUSE

    def notices(self) -> list[str]:
        """Return sentences on the queue since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def end(self) -> dict[str, str | bool]:
        """Return how the job ended, empty where the worker has said it itself or its log does."""
        if self._folder.is_finished():
            return {}
        # What was cancelled before it began, Slurm forgets at once where it was part of an array.
        is_gone = self._state in ("CANCELLED", UNKNOWN)
        if is_gone and self._is_to_stop():
            return {"stopped": True}
        job_id = self._record().id
        lines = self._log(job_id)
        # Where memory is watched without cgroups, the state of such a job is only FAILED.
        state = "OUT_OF_MEMORY" if any(_MEMORY.search(line) for line in lines) else self._state
        if state == "COMPLETED":
            return {}
        message, advice = describe_end(job_id, state, lines[-1] if lines else "")
        return {"failure": message, "advice": advice, "gone": is_gone}

    def _take(self, entry: QueueEntry) -> None:
        if entry.state != self._state:
            self._state, self._pause = entry.state, _FIRST_PAUSE
        if entry.state not in _ENDED | {UNKNOWN}:
            self._say(describe_wait(entry))

    def _queue_again(self, entry: QueueEntry) -> bool:
        record = self._record()
        again = entry.state in _NOT_ITS_FAULT and record.submissions < _MOST_SUBMISSIONS
        if not again or self._folder.is_finished() or self._is_to_stop():
            return False
        job_id = self.submit(record.request, record.submissions + 1)
        self._say(f"Job {entry.id} ended ({entry.state}), and goes on as job {job_id}.")
        return True

    def _is_to_stop(self) -> bool:
        requested = self._folder.cancel_requested() and not self._folder.pause_requested()
        if self.stop and not requested:
            # A new turn of the job took it for a request to pause.
            self._folder.request_cancel()
        return self.stop or requested

    def _stop(self, entry: QueueEntry) -> None:
        """End a job that waits at once, and one that saves nothing for long."""
        self._stop_at = self._stop_at or time.monotonic() + _GRACE_SECONDS
        if entry.state == "PENDING":
            # Not one that has begun to run meanwhile, which saves what it learned, or was withdrawn with its array.
            with contextlib.suppress(SlurmRefused):
                slurm_commands.run("scancel", "--state=PENDING", entry.id)
        elif time.monotonic() > self._stop_at:
            slurm_commands.run("scancel", entry.id)

    def _queued(self) -> list[str]:
        kept = self._record().id if self.exists() else ""
        entries = slurm_commands.entries(f"--name={self._name},{self._array_name}")
        going_on = (entry for entry in entries if entry.state not in _ENDED)
        return [entry.id for entry in going_on if entry.name == self._name or entry.id == kept]

    def _record(self) -> _Record:
        try:
            return from_plain(_Record, json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise UserError(f"{_FILE} of the job is damaged.", "Start a new round.") from error

    def _log(self, job_id: str) -> list[str]:
        """Return the lines that Slurm and submitit wrote as errors of a job."""
        places = (self._folder.path / _LOGS, self._home / _LOGS)
        logs = sorted(path for place in places for path in place.glob(f"{job_id}_*_log.err"))
        text = logs[-1].read_text(encoding="utf-8", errors="replace") if logs else ""
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._notices.append(text)


def submit_array(folders: Sequence[JobFolder], limit: int, request: SlurmRequest) -> str:
    """Have jobs that lie beside each other queued as one array, and return its id; raises UserError.

    Args:
        folders: Folders of the jobs, in the order in which they are to run.
        limit: Number of jobs that run at the same time.
        request: What each asks for.
    """
    home = folders[0].path.parent.parent
    name = _NAME + home.name
    # One whose submission was cut off before its ids were kept is found by its name.
    known = [entry.id.split("_")[0] for entry in slurm_commands.entries(f"--name={name}") if "_" in entry.id]
    if known:
        ids = [f"{known[-1]}_{number}" for number in range(len(folders))]
    else:
        ids = _submit(folders, home / _LOGS, name, request, limit)
    for folder, job_id in zip(folders, ids, strict=True):
        SlurmJob(folder).keep(job_id, request)
    return ids[0].split("_")[0]


def queued_names() -> set[str]:
    """Return the names of the folders of jobs that Slurm has and that have not ended; empty where there is no Slurm."""
    try:
        entries = slurm_commands.entries()
    except UserError:
        return set()
    return {entry.name.removeprefix(_NAME).split("-")[0] for entry in entries if entry.state not in _ENDED}


def sbatch_options(request: SlurmRequest) -> list[str]:
    """Return a request as options of sbatch."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in _parameters(request).items()]


def _parameters(request: SlurmRequest) -> dict[str, Any]:
    """Return what is asked for by the names that sbatch and submitit have for it."""
    values = {
        "time": request.minutes,
        "partition": request.partition,
        "account": request.account,
        "gpus_per_node": request.cards,
        "cpus_per_task": request.cores,
        "mem": f"{request.memory}G" if request.memory else "",
    }
    return {name: value for name, value in values.items() if value}


def _submit(folders: Sequence[JobFolder], logs: Path, name: str, request: SlurmRequest, limit: int = 1) -> list[str]:
    """Have submitit submit a job, or several as an array, and return their ids; raises UserError."""
    # Not at the top: only machines with Slurm need it.
    from submitit.core.utils import FailedJobError
    from submitit.slurm.slurm import SlurmExecutor

    slurm_commands.run("sbatch", "--version")
    executor = SlurmExecutor(logs, max_num_timeout=_MOST_TURNS)
    executor.update_parameters(
        **_parameters(request),
        job_name=name,
        array_parallelism=limit,
        signal_delay_s=WARNING_SECONDS,
        additional_parameters={"requeue": True},
        # Since Slurm 22.05 srun does not take it over from sbatch.
        srun_args=[f"--cpus-per-task={request.cores}"] if request.cores else [],
    )
    try:
        with executor.batch():
            jobs = [executor.submit(QueuedWorker(os.fspath(folder.path))) for folder in folders]
        return [str(job.job_id) for job in jobs]
    except FailedJobError as error:
        raise slurm_commands.refusal(str(error)) from error

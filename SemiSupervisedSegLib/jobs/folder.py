"""The job folder: all files by which a worker and the program that started the job communicate."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..study.errors import UserError
from ..study.files import TEMPORARY_PREFIX, check_stays_inside, open_no_link, write_error, write_text_atomically
from ..study.locking import hold_lock, is_locked
from .events import Event, from_line, stamped, to_line
from .portable_paths import with_absolute_paths, with_relative_paths
from .records import from_plain, to_plain
from .spec import JobSpec

LAST_CHECKPOINT = "last.pt"
"""Name of the checkpoint in the folder of checkpoints."""
_PAUSE = "pause"
State = Literal["waiting", "running", "finished", "failed", "cancelled"]


@dataclass(frozen=True)
class JobStatus:
    """The state of a job at a glance.

    Attributes:
        state: `running` stays behind when a worker was killed; `JobFolder.is_running` tells the two apart.
        stage: Id of the part of the job that is running.
        step: Number of completed steps of that part.
        total: Number of steps of that part, 0 when it is not known.
        message: Line of text for the user.
        pid: Process id of the worker.
        host: Name of the worker's machine.
        updated: Time of the last change in seconds since the epoch.
    """

    state: State = "waiting"
    stage: str = ""
    step: int = 0
    total: int = 0
    message: str = ""
    pid: int = 0
    host: str = ""
    updated: float = 0.0


@dataclass(frozen=True)
class JobHead:
    """Kind (`train` or `predict`), method and device of a job."""

    kind: str = ""
    method: str = ""
    device: str = ""


class JobFolder:
    """The files of one job below `path`, which is created by the first file written."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self.checkpoints = self.path / "checkpoints"
        self.last_checkpoint = self.checkpoints / LAST_CHECKPOINT
        self.model = self.path / "model"
        self.predictions = self.path / "predictions"
        self.previews = self.path / "previews"
        self.report = self.path / "report.html"
        self.metrics = self.path / "metrics.csv"
        self.log = self.path / "worker.log"
        self.lock_file = self.path / "worker.lock"
        self.spec_file = self.path / "job.json"
        self._status = self.path / "status.json"
        self.events_file = self.path / "events.jsonl"
        self.result_file = self.path / "result.json"
        self._cancel = self.path / "cancel"

    @property
    def name(self) -> str:
        """The name of the folder, such as 001-cu2l."""
        return self.path.name

    def exists(self) -> bool:
        """Return whether there is a job in the folder."""
        return os.path.isfile(self.spec_file)

    def spec(self) -> JobSpec:
        """Return what the job is to do, with absolute paths.

        Raises:
            UserError: Job.json is missing, damaged or newer.
        """
        return with_absolute_paths(JobSpec.from_json(_read_text(self.spec_file, self.path)), self.path)

    def head(self) -> JobHead:
        """Return kind, method and device of the job, all empty where job.json cannot be read.

        The cases are not checked: those of a large study take too long for a click.
        """
        try:
            return _read_head(self.spec_file, self.spec_file.stat().st_mtime_ns)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return JobHead()

    def write_spec(self, spec: JobSpec) -> None:
        """Write job.json, the first file of a job; raises UserError when it cannot be written."""
        self._make(parents=True)
        write_text_atomically(self.spec_file, with_relative_paths(spec, self.path).to_json())

    def status(self) -> JobStatus:
        """Return the last status, `waiting` before the first; raises UserError when the file is damaged."""
        if not self._status.exists():
            return JobStatus()
        return _parse(self._status, self.path, lambda data: from_plain(JobStatus, data, ignore_unknown=True))

    def write_status(
        self, state: State, *, stage: str = "", step: int = 0, total: int = 0, message: str = ""
    ) -> JobStatus:
        """Replace status.json, signed by this process; raises UserError when it cannot be written."""
        status = JobStatus(state, stage, step, total, message, os.getpid(), socket.gethostname(), time.time())
        self._make()
        write_text_atomically(self._status, json.dumps(to_plain(status), indent=2) + "\n")
        return status

    def append_event(self, event: Event) -> Event:
        """Add an event to events.jsonl and return it with its time; raises UserError when it cannot be written.

        The line goes to the system in one write, so that a kill leaves at most one partial line, the last. The next
        writer ends such a line first.
        """
        event = stamped(event)
        self._make()
        try:
            _append_line(self.events_file, to_line(event).encode())
        except OSError as error:
            raise write_error(self.events_file, error) from error
        return event

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        """Return all events from a byte offset on, and the next offset; damaged and unknown lines are skipped."""
        try:
            with open(self.events_file, "rb") as file:
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return [], offset
        except OSError as error:
            raise _read_error(self.events_file, error) from error
        complete = content[: content.rfind(b"\n") + 1]
        events = []
        for line in complete.splitlines():
            # A partial line of a killed worker is no reason to lose the others.
            with contextlib.suppress(ValueError):
                events.append(from_line(line.decode("utf-8")))
        return [event for event in events if event is not None], offset + len(complete)

    def end_of_events(self) -> int:
        """Return the offset behind the last event written so far."""
        try:
            return self.events_file.stat().st_size
        except FileNotFoundError:
            return 0

    def result(self) -> dict[str, Any] | None:
        """Return the content of result.json, None while there is none; raises UserError when it is damaged."""
        if not self.result_file.exists():
            return None
        return _parse(self.result_file, self.path, _expect_dict)

    def is_finished(self) -> bool:
        """Return whether the job is complete; a damaged result is as good as none, since a job can be repeated."""
        try:
            return self.result() is not None
        except UserError:
            return False

    def write_result(self, result: dict[str, Any]) -> None:
        """Replace result.json, which says that the job is complete; raises UserError when it cannot be written."""
        self._make()
        write_text_atomically(self.result_file, json.dumps(to_plain(result), indent=2, allow_nan=False) + "\n")

    def request_cancel(self) -> None:
        """Request that the worker saves a checkpoint and ends."""
        self._make()
        write_text_atomically(self._cancel, "")

    def cancel_requested(self) -> bool:
        """Return whether a stop of the worker was requested."""
        return self._cancel.exists()

    def clear_cancel(self) -> None:
        """Take a request back, which is done before a worker is started and not by the worker."""
        self._cancel.unlink(missing_ok=True)

    def request_pause(self) -> None:
        """Request a stop after which the job is started again by itself; one that the user requested counts more."""
        with contextlib.suppress(FileExistsError), open(self._cancel, "x", encoding="utf-8") as file:
            file.write(_PAUSE)

    def pause_requested(self) -> bool:
        """Return whether the stop that was requested is a pause."""
        return self.cancel_requested() and self._cancel.read_text(encoding="utf-8") == _PAUSE

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the lock that keeps other workers out; raises UserError saying who holds it."""
        self._make()
        return hold_lock(self.lock_file, f"The job {self.name}")

    def check_links(self) -> None:
        """Raise UserError when a folder that a worker writes to is a link to somewhere else."""
        for place in (self.checkpoints, self.model, self.predictions, self.previews):
            check_stays_inside(place, self.path)

    def remove_partial_files(self) -> None:
        """Remove half-written checkpoints, models and predictions; only for the worker that holds the lock.

        Small files directly in the job folder stay, because other processes write there too.
        """
        for place in (self.path, self.checkpoints, self.predictions, self.previews):
            for path in place.glob(f"{TEMPORARY_PREFIX}*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif place != self.path:
                    path.unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Return whether a worker holds the lock."""
        return is_locked(self.lock_file)

    def _make(self, parents: bool = False) -> None:
        try:
            # Without parents: a study that was moved meanwhile leaves nothing behind in its old place.
            self.path.mkdir(parents=parents, exist_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from error


@lru_cache(maxsize=256)
def _read_head(path: Path, changed: int) -> JobHead:
    content = json.loads(path.read_text(encoding="utf-8"))
    return JobHead(str(content["kind"]), str(content["method"]), str(content["device"]))


def _append_line(path: Path, line: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    descriptor = open_no_link(path, flags)
    try:
        if os.lseek(descriptor, 0, os.SEEK_END) > 0:
            os.lseek(descriptor, -1, os.SEEK_END)
            if os.read(descriptor, 1) != b"\n":
                line = b"\n" + line
        written = os.write(descriptor, line)
        if written < len(line):
            # A full disk takes a part; asking for the rest makes the system say why.
            os.write(descriptor, line[written:])
    finally:
        os.close(descriptor)


def _expect_dict(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError("it is not an object with named values")
    return data


def _parse(path: Path, folder: Path, read: Any) -> Any:
    try:
        return read(json.loads(_read_text(path, folder)))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path.name} of the job {folder.name} is damaged.", "Continue or repeat the job to write it again."
        ) from error


def _read_text(path: Path, folder: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise UserError(f"There is no job in {folder}.", "Choose the folder of a round.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} in {folder} is damaged.", "Start a new round.") from error
    except OSError as error:
        raise _read_error(path, error) from error


def _read_error(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} could not be read ({error.strerror}).", "Check that you may read it.")

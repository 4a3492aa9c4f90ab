"""Start a worker from plain Python, follow it and end it together with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..study.files import open_no_link, write_error
from .events import Event
from .folder import JobFolder

_PACKAGE = __package__.split(".", maxsplit=1)[0]
QUEUE_SIGNAL = getattr(signal, "SIGUSR2", signal.SIGTERM)
"""Signal by which a queue says that the time of a job is nearly over; Windows has neither."""
_POLL_SECONDS = 0.1
# Every step needs the same large buffers again. glibc would hand them back to the system each time and have their pages
# zeroed again, which takes up to a tenth of a step; other systems ignore these.
_KEEP_BUFFERS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def launch(folder: JobFolder, detached: bool = False, threads: int | None = None) -> WorkerProcess:
    """Start the worker of a job; raises UserError if it cannot start.

    Args:
        folder: Folder of the job.
        detached: Whether the worker outlives this process.
        threads: Number of processor cores that it uses, unless its settings or the environment say otherwise; None
            for all.
    """
    share = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, *worker_arguments(folder, detached)]
    return WorkerProcess(folder, command, detached, share | worker_environment())


class WorkerProcess:
    """A running worker in a process group of its own.

    Its standard input is a pipe that stays open as long as this process lives, by which it notices the end of its
    parent. Its standard output is left out, as events.jsonl has all of it; its standard error goes to worker.log.
    """

    def __init__(
        self,
        folder: JobFolder,
        command: Sequence[str],
        detached: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._start = self._offset = folder.end_of_events()
        # An old request would stop the new worker at once.
        folder.clear_cancel()
        try:
            with open(folder.log, "ab", opener=open_no_link) as log:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env=worker_environment() if environment is None else dict(environment),
                    **_own_group(detached),
                )
        except OSError as error:
            raise write_error(folder.log, error) from error

    @property
    def pid(self) -> int:
        """Process id of the worker, which is also the id of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while the worker runs; negative for a signal."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code; raises subprocess.TimeoutExpired."""
        # Popen.wait; communicate would close the pipe that tells the worker that its parent lives.
        return self._process.wait(timeout)

    def new_events(self) -> list[Event]:
        """Return the events since the last call, without waiting."""
        events, self._offset = self.folder.events(self._offset)
        return events

    def all_events(self) -> list[Event]:
        """Return the events since the worker was started."""
        return self.folder.events(self._start)[0]

    def events(self) -> Iterator[Event]:
        """Yield the events of the worker until it ends, as they come."""
        ended = False
        while not ended:
            # Checked before reading, so that the last lines are not lost.
            ended = self.poll() is not None
            yield from self.new_events()
            if not ended:
                time.sleep(_POLL_SECONDS)

    def cancel(self, grace: float = 120.0) -> int:
        """Stop the worker after a checkpoint, kill it after `grace` seconds, and return the exit code."""
        self.folder.request_cancel()
        try:
            return self.wait(grace)
        except subprocess.TimeoutExpired:
            return self.kill_tree()

    def kill_tree(self) -> int:
        """End the worker and everything it started at once, and return the exit code."""
        # The group of a process that was waited for may belong to another program by now.
        if self.poll() is None:
            if sys.platform == "win32":
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(self.pid)], check=False, capture_output=True)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
        return self.wait()


def worker_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a worker: this process's, or `base`, with the worker's additions."""
    base = os.environ if base is None else base
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [base.get("PYTHONPATH")])]
    needed = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    return {**_KEEP_BUFFERS, **base, **needed}


def worker_arguments(
    folder: JobFolder, detached: bool = False, shared: bool = False, queued: bool = False, machine: str = ""
) -> list[str]:
    """Return the arguments of Python that run a job, on another machine if one is named."""
    options = {"--detached": detached, "--shared": shared, "--queued": queued}
    given = [name for name, value in options.items() if value]
    return ["-m", _PACKAGE, "worker", "--job", str(folder.path), *given, *(["--on", machine] if machine else [])]


def _own_group(detached: bool) -> dict[str, Any]:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags | (subprocess.DETACHED_PROCESS if detached else 0)}
    return {"start_new_session": True}

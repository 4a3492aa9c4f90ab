"""Where many jobs are run: an interface, and the queue on this computer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from ..study.errors import UserError
from .events import Event
from .folder import JobFolder
from .launcher import WorkerProcess, launch
from .outcome import Outcome, determine_outcome
from .shared_processor import available_cores

JobState = Literal["waiting", "running", "finished", "stopped", "failed"]
ENDED: frozenset[JobState] = frozenset({"finished", "stopped", "failed"})


class Executor(Protocol):
    """Runs jobs whose folders are complete; a job that was stopped or killed before is resumed."""

    def check(self) -> None:
        """Raise UserError when the place cannot be reached now, or does not have the program of this computer."""

    def submit(self, folder: JobFolder) -> None:
        """Run a job as soon as there is a place for it; one that has ended is begun or resumed once more."""

    def submit_together(self, folders: Sequence[JobFolder]) -> None:
        """Run jobs with the same cases as soon as there are places for them; what they share is sent once."""

    def state(self, folder: JobFolder) -> JobState:
        """Return how far a submitted job is."""

    def events(self, folder: JobFolder) -> list[Event]:
        """Return the events of a submitted job since the last call, without waiting."""

    def outcome(self, folder: JobFolder) -> Outcome:
        """Return how a job ended, whose state says that it did."""

    def forget(self, folder: JobFolder) -> None:
        """Remove what a job that has ended and is given up has left elsewhere."""

    def notices(self) -> list[str]:
        """Return what there is to say of the place since the last call, such as that it cannot be reached now."""

    def cancel(self) -> None:
        """Start no further job, and request that running ones save what they learned and end."""


class LocalQueue:
    """Runs jobs on this computer in the order of submission.

    Args:
        start: Function that starts the worker of a job; None for the worker of this program.
        limit: Number of jobs that run at the same time, which share the processor.
    """

    def __init__(self, start: Callable[[JobFolder], WorkerProcess] | None = None, limit: int = 1) -> None:
        threads = None if limit == 1 else max(1, available_cores() // limit)
        self._start = start or partial(launch, threads=threads)
        self._limit = limit
        self._waiting: deque[JobFolder] = deque()
        self._offsets: dict[Path, int] = {}
        self._outcomes: dict[Path, Outcome] = {}
        self._running: dict[Path, WorkerProcess] = {}

    def check(self) -> None:
        """Do nothing: this computer is always there."""

    def submit(self, folder: JobFolder) -> None:
        """Append a job to the queue."""
        self._outcomes.pop(folder.path, None)
        self._waiting.append(folder)
        self._offsets[folder.path] = folder.end_of_events()

    def submit_together(self, folders: Sequence[JobFolder]) -> None:
        """Append jobs to the queue."""
        for folder in folders:
            self.submit(folder)

    def state(self, folder: JobFolder) -> JobState:
        """Return how far a job is, after the next one of the queue was started if it can be."""
        self._advance()
        outcome = self._outcomes.get(folder.path)
        if outcome is not None:
            return outcome.kind
        return "running" if folder.path in self._running else "waiting"

    def events(self, folder: JobFolder) -> list[Event]:
        """Return the events of a job since the last call."""
        events, self._offsets[folder.path] = folder.events(self._offsets[folder.path])
        return events

    def outcome(self, folder: JobFolder) -> Outcome:
        """Return how a job ended, whose state says that it did."""
        return self._outcomes[folder.path]

    def forget(self, folder: JobFolder) -> None:
        """Do nothing: all of a job is in its folder."""

    def notices(self) -> list[str]:
        """Return nothing: this computer is always there."""
        return []

    def cancel(self) -> None:
        """Empty the queue, and request a stop of the running jobs."""
        for folder in self._waiting:
            self._outcomes[folder.path] = Outcome("stopped", "It was not started.")
        self._waiting.clear()
        for worker in self._running.values():
            worker.folder.request_cancel()

    def _advance(self) -> None:
        for path, worker in tuple(self._running.items()):
            if (code := worker.poll()) is not None:
                del self._running[path]
                self._outcomes[path] = determine_outcome(worker.folder, code, worker.all_events())
        # The worker of an earlier queue, which was killed, may still be saving.
        while len(self._running) < self._limit and self._waiting and not self._waiting[0].is_running():
            folder = self._waiting.popleft()
            try:
                self._running[folder.path] = self._start(folder)
            except UserError as error:
                self._outcomes[folder.path] = Outcome("failed", error.message, error.advice)

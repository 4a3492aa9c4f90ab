"""The background run: a worker is started or attached, followed by its files, stopped, and its outcome determined."""

from __future__ import annotations

import time

import qt
from slicer.i18n import tr as _

from ...jobs.events import Cancelled, Event, Failed, Started
from ...jobs.folder import JobFolder
from ...jobs.outcome import Outcome, determine_outcome
from ...jobs.remote.record import kept_machine
from ...study.errors import UserError
from ..logic.round_names import round_title
from ..services import Services
from ..signal import Signal
from .tail import EventTail
from .workers import Worker, findWorker, startWorker

GRACE_SECONDS = 120.0
# More than ten updates a second are not visible; between them the application is free.
_TICK_MILLISECONDS = 100
_CATCH_UP_MILLISECONDS = 10
# The check for another program's worker takes the lock for a moment when there is none.
_FOREIGN_SECONDS = 1.0


class Runner:
    """One job at a time.

    Attributes:
        events: Signal with a list of events, several at a time and in their order; those of earlier workers on the same
            job first.
        ended: Signal with the `Outcome`, after all events; by then nothing is running.
        changed: Signal that a job was started, told to stop, or has ended.
        folder: Folder of the present or the last job.
        machine: Name of the other machine that it runs on, empty for this computer.
    """

    def __init__(self, services: Services) -> None:
        self.events, self.ended, self.changed = Signal(), Signal(), Signal()
        self.folder: JobFolder | None = None
        self.machine = ""
        self.stopping = self._isLeft = False
        self._services = services
        self._worker: Worker | None = None
        self._tail: EventTail | None = None
        self._ends: list[Event] = []
        self._killAt = self._askAt = 0.0
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self._tick)

    @property
    def running(self) -> bool:
        """Whether a worker is running."""
        return self._worker is not None

    @property
    def detached(self) -> bool:
        """Whether it continues when Slicer quits."""
        return self._worker is not None and self._worker.detached

    @property
    def externallyStarted(self) -> bool:
        """Whether another program started it."""
        return self._worker is not None and self._worker.externallyStarted

    def start(self, folder: JobFolder, detached: bool = False, machine: str = "") -> None:
        """Start or resume the worker of a job; raises UserError when that is not possible.

        Args:
            folder: Folder of the job.
            detached: Whether it continues when Slicer quits, as it does on another machine.
            machine: Name of the other machine that does the job or the trainings of the comparison, empty for this
                computer.
        """
        if self.running:
            raise UserError(f"{round_title(self.folder.name)} is running.", "Wait until it ends, or stop it first.")
        history = folder.end_of_events()
        self._follow(folder, startWorker(folder, self._services, detached, machine), history, machine)

    def attach(self, folder: JobFolder) -> bool:
        """Follow the worker that runs a job; False when there is none."""
        worker = None if self.running else findWorker(folder)
        if worker is not None:
            self._follow(folder, worker, 0, kept_machine(folder))
        return worker is not None

    def stop(self) -> None:
        """Request that the worker saves a checkpoint and ends; one of this Slicer is killed if it does not.

        The connection to another machine may take its time. Raises UserError when the request cannot be written.
        """
        if self.running and not self.stopping:
            self.folder.request_cancel()
            self.stopping = True
            if not self.externallyStarted and not self.machine:
                self._killAt = time.monotonic() + GRACE_SECONDS
            self.changed.emit()

    def kill(self) -> None:
        """End the worker and everything it started at once; raises UserError when it runs on another computer.

        What another machine does goes on there, and is no longer followed.
        """
        if self.running:
            self._worker.kill()
            self._isLeft = bool(self.machine)

    def stopFollowing(self) -> None:
        """Stop following the worker, without a signal; it continues, and `attach` can follow it again."""
        self._timer.stop()
        if self._worker is not None:
            self._worker.stopFollowing()
            self._worker = None

    def _follow(self, folder: JobFolder, worker: Worker, history: int, machine: str) -> None:
        self.folder, self._worker, self.machine, self._isLeft = folder, worker, machine, False
        self._tail = EventTail(folder.events_file, history)
        self._ends, self._askAt = [], 0.0
        self.stopping = worker.externallyStarted and folder.cancel_requested()
        self._killAt = float("inf")
        self._timer.start(_CATCH_UP_MILLISECONDS)
        self.changed.emit()

    def _tick(self) -> None:
        # Checked before reading, so that the last events are not lost.
        over = self._hasEnded()
        inHistory = self._tail.in_history
        events = self._tail.read()
        if not inHistory:
            self._note(events)
        if events:
            self.events.emit(events)
        if over and not self._tail.has_more:
            self._end()
            return
        self._timer.setInterval(_CATCH_UP_MILLISECONDS if self._tail.has_more else _TICK_MILLISECONDS)
        if time.monotonic() > self._killAt:
            self._killAt = float("inf")
            self._worker.kill()

    def _hasEnded(self) -> bool:
        if self._worker.externallyStarted:
            if time.monotonic() < self._askAt:
                return False
            self._askAt = time.monotonic() + _FOREIGN_SECONDS
        return not self._worker.isRunning()

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Started):
                self._ends = []
            elif isinstance(event, Cancelled | Failed):
                self._ends.append(event)

    def _end(self) -> None:
        self._timer.stop()
        worker, self._worker = self._worker, None
        self.stopping = False
        try:
            outcome = determine_outcome(self.folder, worker.exitCode(), self._ends)
        except UserError as error:
            outcome = Outcome("failed", error.message, error.advice)
        if self._isLeft and outcome.kind == "failed":
            message = _("It is no longer followed, and what runs on {machine} goes on there.")
            outcome = Outcome("failed", message.format(machine=self.machine), _("Resume follows it again."))
        worker.stopFollowing()
        self.changed.emit()
        self.ended.emit(outcome)

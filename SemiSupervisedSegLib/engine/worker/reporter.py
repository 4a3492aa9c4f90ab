"""What a worker says: events on standard output and in the job folder, and the status at a glance."""

from __future__ import annotations

import sys
import time

from ...jobs.events import Event, Progress, StageStarted, StepDone, to_line
from ...jobs.folder import JobFolder

_POLL_SECONDS = 0.5
_STATUS_SECONDS = 1.0
_STEP_SECONDS = 1.0


class JobStopped(Exception):  # noqa: N818 - a request, not an error
    """A stop was requested by the user; ``step`` is where the job can be resumed."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step = step


class Reporter:
    """Writes the events and the status of one job, and checks whether a stop of the job was requested.

    Attributes:
        folder: Folder of the job.
        saved_step: Step of the checkpoint from which the job would be resumed.
    """

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder
        self.saved_step = 0
        self._asked_at = 0.0
        self._stop = False
        self._status_at = 0.0
        self._stage = ""
        self._stage_began = 0.0
        self._counted_at = self._steps_began = 0.0
        self._first_step: int | None = None

    def emit(self, event: Event) -> None:
        """Write an event; raises UserError when the disk takes no more."""
        if isinstance(event, StepDone):
            self._counted_at = time.monotonic()
        stamped = self.folder.append_event(event)
        sys.stdout.write(to_line(stamped))
        sys.stdout.flush()

    def start_stage(self, name: str, title: str, steps: int = 0) -> None:
        """Begin a part of the job; steps 0 means not known."""
        self._stage, self._stage_began, self._status_at = name, time.monotonic(), 0.0
        self.emit(StageStarted(name, title, steps))
        self.update_status(0, steps)

    def progress(self, done: int, total: int) -> None:
        """Report a part without optimisation steps; raises JobStopped when the user requested a stop."""
        spent = time.monotonic() - self._stage_began
        left = spent / done * (total - done) if done else None
        self.emit(Progress(self._stage, done, total, left))
        self.update_status(done, total)
        if done < total and self.stop_requested():
            raise JobStopped(self.saved_step)

    def count_step(self, step: int, total: int) -> None:
        """Report the number of steps, at most once a second: losses come every few steps only, and wait for the device.

        Args:
            step: Number of steps that are done.
            total: Number of all steps.
        """
        now = time.monotonic()
        if self._first_step is None:
            self._first_step, self._steps_began = step, now
        if now - self._counted_at >= _STEP_SECONDS:
            self._counted_at = now
            done = step - self._first_step
            left = (now - self._steps_began) / done * (total - step) if done else None
            self.emit(Progress(self._stage, step, total, left, unit="step"))

    def update_status(self, step: int, total: int) -> None:
        """Replace the status file, at most once a second."""
        now = time.monotonic()
        if now - self._status_at >= _STATUS_SECONDS:
            self._status_at = now
            self.folder.write_status("running", stage=self._stage, step=step, total=total)

    def stop_requested(self) -> bool:
        """Return whether a stop of the job was requested; reads the folder at most twice a second."""
        now = time.monotonic()
        if not self._stop and now - self._asked_at >= _POLL_SECONDS:
            self._asked_at = now
            self._stop = self.folder.cancel_requested()
        return self._stop

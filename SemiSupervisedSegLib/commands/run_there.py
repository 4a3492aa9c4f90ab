"""Run a job to its end on another machine, with its progress as on this computer: for a terminal, and as a worker."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..jobs.events import CONNECT, Cancelled, Event, Failed, Progress, StageStarted, StepDone
from ..jobs.executor import ENDED, JobState
from ..jobs.folder import JobFolder
from ..jobs.outcome import EXIT_CANCELLED, EXIT_FAILED, EXIT_FINISHED, Outcome
from ..jobs.remote.executor import SshExecutor
from .run_job import result_of
from .show_progress import ProgressPrinter

_POLL_SECONDS = 0.1
_EXIT_CODES = {"finished": EXIT_FINISHED, "stopped": EXIT_CANCELLED, "failed": EXIT_FAILED}


class LeftAlone(KeyboardInterrupt):
    """The user left a job that goes on, or stops, on another machine."""


def run_there(folder: JobFolder, executor: SshExecutor, printer: ProgressPrinter | None = None) -> dict[str, Any]:
    """Run a job on another machine, or follow it there, print its progress and return the content of its result.json.

    The first interrupt (Ctrl-C) requests a checkpoint and the end of the worker, the second one leaves it alone.

    Args:
        folder: Folder of the round.
        executor: Executor of the machine.
        printer: Printer of the progress, None for the usual one.

    Raises:
        UserError: The job failed.
        LeftAlone: The user did not wait for the end.
        KeyboardInterrupt: The job was stopped before its end.
    """
    printer = printer or ProgressPrinter(sys.stdout)
    # An old request would stop the job at once.
    folder.clear_cancel()
    executor.submit(folder)
    try:
        _follow(folder, executor, printer)
    except KeyboardInterrupt:
        executor.detach()
        raise LeftAlone from None
    finally:
        printer.close()
    return result_of(executor.outcome(folder), printer)


def _follow(folder: JobFolder, executor: SshExecutor, printer: ProgressPrinter) -> None:
    asked_to_stop, state = False, executor.state(folder)
    while state not in ENDED:
        try:
            # Asked before reading, so that the last events are not lost.
            state = executor.state(folder)
            for notice in executor.notices():
                printer.note(notice)
            for event in executor.events(folder):
                printer.show(event)
            time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            if asked_to_stop:
                raise
            asked_to_stop = True
            executor.cancel()
            printer.note(
                f"Stopping: a checkpoint is saved on {executor.machine.name}. Interrupt once more to return at once."
            )


def work_there(folder: JobFolder, executor: SshExecutor) -> int:
    """Let another machine do a job and return the exit code of a worker: 0 finished, 2 failed, 3 stopped on request.

    All that it says stands in the folder, where the panel reads it. A request to stop is passed on.

    Args:
        folder: Folder of the round.
        executor: Executor of the machine.
    """
    executor.submit(folder)
    story = _Story(folder)
    state: JobState = "waiting"
    while state not in ENDED:
        # Asked before reading, so that the last events are not lost.
        before, state = state, executor.state(folder)
        if (before, state) == ("waiting", "running"):
            story.note(f"Connecting to {executor.machine.name}")
        for event in executor.events(folder):
            story.hear(event)
        for notice in executor.notices():
            story.note(notice)
        time.sleep(_POLL_SECONDS)
    outcome = executor.outcome(folder)
    story.end(outcome)
    return _EXIT_CODES[outcome.kind]


class _Story:
    """Completes the events of a job with what only this side knows: the state of the connection, and failures here."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        stages = [event for event in folder.events()[0] if isinstance(event, StageStarted) and event.name != CONNECT]
        self._stage: StageStarted | None = stages[-1] if stages else None
        self._is_cut = self._has_end = False

    def hear(self, event: Event) -> None:
        """Take an event of the job in; what it was doing is said again when the connection is back."""
        if isinstance(event, StageStarted) and event.name != CONNECT:
            self._stage, self._is_cut = event, False
        elif isinstance(event, StepDone | Progress) and self._is_cut:
            self._is_cut = False
            if self._stage is not None:
                self._folder.append_event(self._stage)
        elif isinstance(event, Failed | Cancelled):
            self._has_end = True

    def note(self, notice: str) -> None:
        """Say what there is to say of the connection, in the place of what the job is doing."""
        self._is_cut = True
        self._folder.append_event(StageStarted(CONNECT, notice, 0))

    def end(self, outcome: Outcome) -> None:
        """Say how it ended where the machine has not said it."""
        if outcome.kind == "finished" or self._has_end:
            return
        if outcome.kind == "stopped":
            self._folder.append_event(Cancelled(outcome.step))
            return
        sys.stderr.write(f"{outcome.message} {outcome.advice}".strip() + "\n")
        # Another program may follow the round, whose story is not to be changed then.
        if not self._folder.is_running():
            self._folder.append_event(Failed(outcome.message, outcome.advice))
            self._folder.write_status("failed", message=f"{outcome.message} {outcome.advice}".strip())

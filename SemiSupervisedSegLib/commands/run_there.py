"""Run a job to its end on another machine, with its progress as on this computer."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..jobs.executor import ENDED
from ..jobs.folder import JobFolder
from ..jobs.remote.executor import SshExecutor
from ..study.errors import UserError
from .show_progress import ProgressPrinter

_POLL_SECONDS = 0.1


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
    executor.submit(folder)
    try:
        _follow(folder, executor, printer)
    except KeyboardInterrupt:
        executor.detach()
        raise LeftAlone from None
    finally:
        printer.close()
    outcome = executor.outcome(folder)
    if outcome.kind == "stopped":
        printer.note(outcome.message)
        raise KeyboardInterrupt
    if outcome.kind == "failed":
        raise UserError(outcome.message, outcome.advice)
    return outcome.result


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

"""Run a job to its end in a separate worker, with its progress."""

from __future__ import annotations

import sys
from typing import Any

from ..jobs.folder import JobFolder
from ..jobs.launcher import WorkerProcess, launch
from ..jobs.outcome import Outcome, determine_outcome
from ..study.errors import UserError
from .show_progress import ProgressPrinter


def run_job(folder: JobFolder, printer: ProgressPrinter | None = None) -> dict[str, Any]:
    """Start the worker of a job, print its progress and return the content of its result.json.

    The first interrupt (Ctrl-C) requests a checkpoint and the end of the worker, the second one ends it at once.

    Args:
        folder: Folder of the job.
        printer: Printer of the progress, None for the usual one.

    Raises:
        UserError: The job failed.
        KeyboardInterrupt: The job was stopped before its end.
    """
    worker = launch(folder)
    printer = printer or ProgressPrinter(sys.stdout)
    try:
        _follow(worker, printer)
    except KeyboardInterrupt:
        worker.kill_tree()
        raise
    finally:
        printer.close()
    return result_of(determine_outcome(folder, worker.wait(), worker.all_events()), printer)


def result_of(outcome: Outcome, printer: ProgressPrinter) -> dict[str, Any]:
    """Return the content of result.json of a job that ended; raises UserError or KeyboardInterrupt as `run_job`."""
    if outcome.kind == "stopped":
        printer.note(outcome.message)
        raise KeyboardInterrupt
    if outcome.kind == "failed":
        raise UserError(outcome.message, outcome.advice)
    return outcome.result


def _follow(worker: WorkerProcess, printer: ProgressPrinter) -> None:
    asked_to_stop = False
    while True:
        try:
            for event in worker.events():
                printer.show(event)
            return
        except KeyboardInterrupt:
            if asked_to_stop:
                raise
            asked_to_stop = True
            worker.folder.request_cancel()
            printer.note("Stopping: saving a checkpoint. Interrupt once more to end at once.")

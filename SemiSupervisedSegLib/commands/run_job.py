"""Run a job to its end in a worker of its own, showing how it gets on."""

from __future__ import annotations

import signal
import sys
from typing import Any

from ..jobs.events import Cancelled, Failed
from ..jobs.folder import JobFolder
from ..jobs.launcher import WorkerProcess, launch
from ..study.errors import UserError
from .show_progress import ProgressPrinter


def run_job(folder: JobFolder) -> dict[str, Any]:
    """Start the worker of a job, print its progress and return the content of its result.json.

    The first interrupt (Ctrl-C) asks the worker to save a checkpoint and to end, the second one ends it at once.

    Raises:
        UserError: the job failed.
        KeyboardInterrupt: the job was stopped before its end.
    """
    worker = launch(folder)
    printer = ProgressPrinter(sys.stdout)
    try:
        _follow(worker, printer)
    except KeyboardInterrupt:
        worker.kill_tree()
        raise
    finally:
        printer.close()
    code = worker.wait()
    ends = [event for event in worker.all_events() if isinstance(event, Cancelled | Failed)]
    if ends and isinstance(ends[-1], Cancelled):
        printer.note(f"Stopped at step {ends[-1].step}, from where it can go on.")
        raise KeyboardInterrupt
    if ends:
        raise UserError(ends[-1].message, ends[-1].advice)
    result = folder.result()
    if code != 0 or result is None:
        problem = f"The worker ended before its work was done ({_reason(code)})."
        raise UserError(f"{problem} {_last_words(folder)}".strip(), f"See {folder.log}.")
    return result


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


def _last_words(folder: JobFolder) -> str:
    # A worker that may not write events, as when another one holds the round, has only its log to say why.
    lines = folder.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1].strip() if lines else ""


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
    hint = ", perhaps because the memory of the machine was used up" if name == "SIGKILL" else ""
    return f"signal {name}{hint}"

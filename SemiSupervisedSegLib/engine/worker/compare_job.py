"""A comparison of methods, as a job: its trainings one by one, each by a worker of its own, and the table."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from ...jobs.catalogue import load_catalogue
from ...jobs.comparison import Comparison, Training
from ...jobs.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Progress,
    StageStarted,
    Started,
    StepDone,
    TableUpdated,
    WarningRaised,
)
from ...jobs.executor import ENDED, Executor, LocalQueue
from ...jobs.outcome import EXIT_CANCELLED, EXIT_FAILED, EXIT_FINISHED, Outcome
from ...study.errors import UserError
from ..evaluation.comparison_scores import make_table
from .reporter import Reporter

_POLL_SECONDS = 0.1
_TOLD = Started | StageStarted | StepDone | Progress | WarningRaised
"""Events of a training that the comparison repeats; the others are about files of the training's own folder."""


def main(folder: Path, executor: Executor | None = None) -> int:
    """Run or continue a comparison and return the exit code: 0 finished, 2 failed, 3 stopped on request.

    Args:
        folder: Folder of the comparison.
        executor: Place where the trainings run; None for a queue on this computer.
    """
    comparison = Comparison(folder)
    reporter = Reporter(comparison)
    try:
        with comparison.lock():
            return _CompareJob(comparison, reporter, executor or LocalQueue()).run()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        # Another process may hold the comparison, whose status is not to be changed then.
        if not comparison.is_running():
            _report_failure(reporter, error)
        return EXIT_FAILED


class _CompareJob:
    def __init__(self, comparison: Comparison, reporter: Reporter, executor: Executor) -> None:
        self._comparison, self._reporter, self._executor = comparison, reporter, executor
        self._spec, self._trainings = comparison.request(), comparison.trainings()
        self._stopped: Outcome | None = None
        self._failures: list[str] = []

    def run(self) -> int:
        """Run the trainings that are not finished yet, and return the exit code."""
        # It says which process to end if need be.
        self._comparison.write_status("running")
        pending = [training for training in self._trainings if not training.folder.is_finished()]
        self._update_table()
        for training in pending:
            self._executor.submit(training.folder)
        is_cancelled = False
        while pending:
            for training in tuple(pending):
                if self._follow(training):
                    pending.remove(training)
            if not is_cancelled and self._reporter.stop_requested():
                is_cancelled = True
                self._executor.cancel()
            time.sleep(_POLL_SECONDS)
        return self._end()

    def _follow(self, training: Training) -> bool:
        """Repeat the new events of a training, and return whether it has ended."""
        # Read before the events, so that the last ones are not lost.
        state = self._executor.state(training.folder)
        for event in self._executor.events(training.folder):
            if isinstance(event, _TOLD):
                self._tell(training, event)
        if state not in ENDED:
            return False
        outcome = self._executor.outcome(training.folder)
        if state == "failed":
            self._failures.append(f"{outcome.message} {outcome.advice}".strip())
            self._reporter.emit(WarningRaised(f"{self._title(training)}: {self._failures[-1]}"))
        elif state == "stopped" and outcome.step:
            self._stopped = outcome
        if state == "finished":
            # It is never resumed, and a checkpoint is several times as large as the model.
            shutil.rmtree(training.folder.checkpoints, ignore_errors=True)
        if state != "stopped":
            self._update_table()
        return True

    def _tell(self, training: Training, event: Event) -> None:
        if isinstance(event, StageStarted):
            event = replace(event, title=f"{self._title(training)}: {event.title}")
        self._reporter.emit(event)
        if isinstance(event, StepDone):
            self._reporter.update_status(event.step, event.total_steps)

    def _title(self, training: Training) -> str:
        spec = self._spec
        parts = [load_catalogue().method(training.method).title, f"fold {training.fold + 1} of {len(spec.folds)}"]
        return ", ".join([*parts, *([f"seed {training.seed}"] if len(spec.seeds) > 1 else [])])

    def _update_table(self) -> None:
        table = make_table(self._comparison)
        self._comparison.write_table(table)
        known = {row.method: row.seconds for row in table.methods if row.seconds is not None}
        usual = sum(known.values()) / len(known) if known else None
        left = [known.get(row.method, usual) for row in table.methods for _ in range(row.trainings - row.finished)]
        seconds = None if usual is None else sum((value for value in left if value is not None), 0.0)
        finished = sum(row.finished for row in table.methods)
        self._reporter.emit(TableUpdated(finished, len(self._trainings), seconds))

    def _end(self) -> int:
        comparison, reporter = self._comparison, self._reporter
        done = [training for training in self._trainings if training.folder.is_finished()]
        if len(done) == len(self._trainings):
            comparison.write_result({"kind": comparison.head().kind, "trainings": len(done)})
            reporter.emit(Finished(comparison.result() or {}))
            comparison.write_status("finished", message="Finished.")
            return EXIT_FINISHED
        if self._failures and len(done) + len(self._failures) == len(self._trainings):
            _report_failure(reporter, self._failure(len(done)))
            return EXIT_FAILED
        reporter.emit(Cancelled(0 if self._stopped is None else self._stopped.step))
        comparison.write_status("cancelled", message="Stopped. It can be resumed.")
        return EXIT_CANCELLED

    def _failure(self, done: int) -> UserError:
        total = len(self._trainings)
        return UserError(
            f"{total - done} of {total} trainings of the comparison failed: {self._failures[0]}",
            "Resume the comparison to try them again.",
        )


def _report_failure(reporter: Reporter, error: UserError) -> None:
    # When the disk is full the report cannot be written either; the exit code and the log still tell.
    with contextlib.suppress(UserError):
        reporter.emit(Failed(error.message, error.advice))
        reporter.folder.write_status("failed", message=str(error))

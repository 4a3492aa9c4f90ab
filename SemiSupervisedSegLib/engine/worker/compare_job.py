"""A comparison of methods, as a job: its trainings, each by a worker of its own, and the table that they fill."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...jobs.catalogue import load_catalogue
from ...jobs.comparison import Comparison, ComparisonSpec, Training, training_title
from ...jobs.events import (
    CONNECT,
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
from ...jobs.machines import find_machine
from ...jobs.outcome import EXIT_CANCELLED, EXIT_FAILED, EXIT_FINISHED, Outcome
from ...jobs.remote.executor import SshExecutor
from ...jobs.remote.record import has_trainings_elsewhere
from ...jobs.remote.remote_run import SEND
from ...study.errors import UserError
from ..evaluation.comparison_scores import make_table
from .reporter import Reporter

_POLL_SECONDS = 0.1
_TOLD = Started | StageStarted | StepDone | Progress | WarningRaised
"""Events of a training that the comparison repeats; the others are about files of the training's own folder."""
_TOLD_OF_MANY = WarningRaised
"""Those of a training among several that run at the same time, whose steps nobody could tell apart."""


def main(folder: Path, executor: Executor | None = None) -> int:
    """Run or continue a comparison and return the exit code: 0 finished, 2 failed, 3 stopped on request.

    Args:
        folder: Folder of the comparison.
        executor: Place where the trainings run; None for the one that the comparison names.
    """
    comparison = Comparison(folder)
    reporter = Reporter(comparison)
    try:
        with comparison.lock():
            return _CompareJob(comparison, reporter, executor or _executor_of(comparison.request())).run()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        # Another process may hold the comparison, whose status is not to be changed then.
        if not comparison.is_running():
            _report_failure(reporter, error)
        return EXIT_FAILED


def _executor_of(spec: ComparisonSpec) -> Executor:
    if spec.machine:
        return SshExecutor(find_machine(spec.machine), limit=spec.at_once)
    return LocalQueue(limit=spec.at_once)


class _CompareJob:
    def __init__(self, comparison: Comparison, reporter: Reporter, executor: Executor) -> None:
        self._comparison, self._reporter, self._executor = comparison, reporter, executor
        self._spec, self._trainings = comparison.request(), comparison.trainings()
        self._told = _TOLD if self._spec.at_once == 1 else _TOLD_OF_MANY
        self._stopped: Outcome | None = None
        self._tried_again: set[Path] = set()
        self._failures: list[str] = []
        self._is_cancelled = False
        self._notice = ""
        # What is said again when the connection to another machine is back.
        self._stage: StageStarted | None = None
        self._updated: TableUpdated | None = None

    def run(self) -> int:
        """Run the trainings that are not finished yet, and return the exit code."""
        # It says which process to end if need be.
        self._comparison.write_status("running")
        # How an earlier run ended is over for whoever reads all events.
        self._reporter.emit(Started(self._spec.machine or "this computer", os.getpid()))
        pending = [training for training in self._trainings if not training.folder.is_finished()]
        self._check_place(pending)
        if self._reporter.stop_requested():
            return self._end()
        self._expect(pending)
        if self._spec.at_once > 1:
            self._begin_stage(StageStarted("compare", self._title_of_all(), len(self._trainings)))
        self._executor.submit_together([training.folder for training in pending])
        self._update_table()
        while pending:
            ended = [training for training in pending if self._follow(training)]
            if ended:
                pending = [training for training in pending if training not in ended]
                self._update_table()
            for notice in self._executor.notices():
                self._note(notice)
            if not self._is_cancelled and self._reporter.stop_requested():
                self._is_cancelled = True
                self._executor.cancel()
            time.sleep(_POLL_SECONDS)
        return self._end()

    def _check_place(self, pending: Sequence[Training]) -> None:
        """Raise UserError when another machine cannot do what it is given; what it has already waits for it instead."""
        if not (self._spec.machine and pending) or has_trainings_elsewhere(self._comparison):
            return
        self._note(f"Connecting to {self._spec.machine}")
        try:
            self._executor.check()
        except UserError:
            # To connect takes its time, and whoever has given up by then need not know how it ended.
            if not self._reporter.stop_requested():
                raise

    def _note(self, notice: str) -> None:
        """Say what there is to say of another machine, in the place of what the trainings are doing."""
        # Of several trainings each says that the connection is cut.
        if notice != self._notice:
            self._notice = notice
            self._reporter.emit(StageStarted(CONNECT, notice, 0))

    def _end_notice(self) -> None:
        """Say again what the trainings are doing, of which one has been heard."""
        if self._notice:
            self._notice = ""
            for event in filter(None, (self._stage, self._updated)):
                self._reporter.emit(event)

    def _begin_stage(self, stage: StageStarted) -> None:
        self._notice, self._stage, self._updated = "", stage, None
        self._reporter.emit(stage)

    def _expect(self, trainings: Sequence[Training]) -> None:
        """Let the table expect trainings that have failed, until they have failed again."""
        for training in trainings:
            if training.folder.status().state == "failed":
                training.folder.write_status("waiting", message="It is tried again.")

    def _follow(self, training: Training) -> bool:
        """Repeat the new events of a training, and return whether it has ended for good."""
        # Read before the events, so that the last ones are not lost.
        state = self._executor.state(training.folder)
        if state == "waiting":
            return False
        for event in self._executor.events(training.folder):
            self._hear(training, event)
        if state not in ENDED:
            return False
        outcome = self._executor.outcome(training.folder)
        if state == "failed":
            return not self._try_again(training, f"{outcome.message} {outcome.advice}".strip())
        if state == "stopped" and outcome.step:
            self._stopped = outcome
        if state == "finished":
            # It is never resumed, and a checkpoint is several times as large as the model.
            shutil.rmtree(training.folder.checkpoints, ignore_errors=True)
        return True

    def _hear(self, training: Training, event: Event) -> None:
        stage = event.name if isinstance(event, StageStarted) else event.stage if isinstance(event, Progress) else ""
        if stage == SEND and self._spec.at_once > 1:
            # One of them sends the images of all.
            self._notice = event.title if isinstance(event, StageStarted) else self._notice
            self._reporter.emit(event)
            return
        if isinstance(event, StepDone | Progress):
            self._end_notice()
        if isinstance(event, self._told):
            self._tell(training, event)

    def _try_again(self, training: Training, problem: str) -> bool:
        """Submit a failed training once more, and return whether that was done; else it counts as missing."""
        is_repeated = training.folder.path not in self._tried_again and not self._is_cancelled
        end = " It is tried again." if is_repeated else ""
        self._reporter.emit(WarningRaised(f"{self._title(training)}: {problem}{end}"))
        if is_repeated:
            self._tried_again.add(training.folder.path)
            self._expect([training])
            self._executor.submit(training.folder)
            return True
        # A worker that was killed, or could not be started, has not said so itself.
        training.folder.write_status("failed", message=problem)
        self._failures.append(problem)
        return False

    def _tell(self, training: Training, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._begin_stage(replace(event, title=f"{self._title(training)}: {event.title}"))
        else:
            self._reporter.emit(event)
        if isinstance(event, StepDone):
            self._reporter.update_status(event.step, event.total_steps)

    def _title(self, training: Training) -> str:
        labels = [] if training.labels is None else [f"{training.labels} labeled"]
        title = load_catalogue().method(training.method).title
        return ", ".join([title, *labels, training_title(self._spec, training)])

    def _title_of_all(self) -> str:
        place = f" on {self._spec.machine}" if self._spec.machine else ""
        return f"Trainings{place}, {self._spec.at_once} at the same time"

    def _update_table(self) -> None:
        table = make_table(self._comparison)
        self._comparison.write_table(table)
        known = [row.seconds for row in table.methods if row.seconds is not None]
        usual = sum(known) / len(known) if known else 0.0
        left = [(row.trainings - row.finished - len(row.missing), row.seconds or usual) for row in table.methods]
        seconds = sum(count * each for count, each in left) / self._spec.at_once if known else None
        finished = sum(row.finished for row in table.methods)
        self._updated = TableUpdated(finished, len(self._trainings), seconds)
        self._reporter.emit(self._updated)

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

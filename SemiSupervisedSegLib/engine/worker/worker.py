"""The worker: one process that does one job, and tells the truth about how it ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ...jobs.events import Cancelled, Failed, Finished
from ...jobs.folder import JobFolder
from ...jobs.outcome import EXIT_CANCELLED, EXIT_FAILED, EXIT_FINISHED, EXIT_PAUSED
from ...jobs.spec import JobSpec
from ...study.errors import UserError
from ..device import is_out_of_memory
from .prepare import prepare
from .reporter import JobStopped, Reporter

_MEMORY_ADVICE = (
    'Lower "labeled_batch", "unlabeled_batch" or "external_batch", then "patch_size" or "in_plane_scale", '
    "and start a new round."
)


Work = Callable[[JobFolder, JobSpec, Reporter], dict[str, Any]]
"""What does a job: from its folder, specification and reporter to the content of result.json."""


def main(job_folder: Path) -> int:
    """Run the job of a folder and return the exit code: 0 finished, 2 failed, 3 stopped on request, 4 paused."""
    return run_job(job_folder, lambda folder, spec, reporter: _JOBS[spec.kind](folder, spec, reporter))


def run_job(job_folder: Path, work: Work) -> int:
    """Do some work on the job of a folder and return the exit code, as `main` does.

    Args:
        job_folder: Folder of the job.
        work: What is done; it raises UserError, or JobStopped when a stop was requested.
    """
    folder = JobFolder(job_folder)
    reporter = Reporter(folder)
    outcome = _Outcome(reporter)
    with outcome, folder.lock():
        outcome.began = True
        folder.check_links()
        folder.remove_partial_files()
        spec = folder.spec()
        outcome.result = work(folder, spec, reporter)
    return outcome.exit_code


def _train(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    context = prepare(folder, spec, reporter)

    # It imports MONAI, which takes seconds, and many on a busy computer.
    reporter.start_stage("load", "Loading the training software")
    from .train_job import run_train_job

    return run_train_job(context)


def _predict(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    from .predict_job import run_predict_job

    return run_predict_job(folder, spec, reporter)


_JOBS = {"train": _train, "trial": _train, "predict": _predict}


class _Outcome:
    """Turns the end of a job, whatever it is, into its last event, its status and an exit code.

    Unexpected errors are reported and then go their way, so that their traceback reaches the log.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.began = False
        self.result: dict[str, Any] = {}
        self.exit_code = EXIT_FAILED

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            if kind is None:
                return self._report_success()
            if isinstance(error, JobStopped):
                return self._report_stop(error.step)
        except UserError as full_disk:
            error = full_disk
        message, advice, expected = _explain(error)
        sys.stderr.write(f"{message} {advice}".strip() + "\n")
        if self.began:
            self._report_failure(message, advice)
        return expected

    def _report_success(self) -> bool:
        folder = self._reporter.folder
        folder.write_result(self.result)
        self._reporter.emit(Finished(self.result))
        folder.write_status("finished", message="Finished.")
        self.exit_code = EXIT_FINISHED
        return True

    def _report_stop(self, step: int) -> bool:
        if self._reporter.folder.pause_requested():
            self._reporter.folder.write_status("waiting", step=step, message="It goes on by itself.")
            self.exit_code = EXIT_PAUSED
            return True
        self._reporter.emit(Cancelled(step))
        self._reporter.folder.write_status("cancelled", step=step, message="Stopped. It can be resumed.")
        self.exit_code = EXIT_CANCELLED
        return True

    def _report_failure(self, message: str, advice: str) -> None:
        # When the disk is full the report cannot be written either; the exit code and the log still tell.
        with contextlib.suppress(UserError):
            self._reporter.emit(Failed(message, advice))
            self._reporter.folder.write_status("failed", message=f"{message} {advice}".strip())


def _explain(error: BaseException | None) -> tuple[str, str, bool]:
    """Return message, advice, and whether this is an error a user can mend."""
    if isinstance(error, UserError):
        return error.message, error.advice, True
    if is_out_of_memory(error):
        return "The memory of the device does not suffice for this training.", _MEMORY_ADVICE, True
    return "The worker stopped because of an unexpected error.", "Its details are in worker.log of the round.", False

"""Comparisons on tiny synthetic studies, and workers that train in the process of the test."""

from __future__ import annotations

import time
from collections.abc import Callable

from SemiSupervisedSegLib.engine.worker.worker import main
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.jobs.events import Event
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.study.model import Study

from .rounds import SETTINGS

METHODS = ("supervised", "mean_teacher")
# Only the settings that both methods or one of them have.
TINY = {name: value for name, value in SETTINGS.items() if name != "external_batch"}


def tiny_comparison(study: Study, **changes: object) -> Comparison:
    """Make a comparison of two methods in two folds, with two steps for each training."""
    spec = make_comparison_spec(study, METHODS, "quick", {**TINY, **changes}, device="cpu")
    return new_comparison(study, spec)


# As often as the trainings of a comparison are asked about at once, so that they do not end all at the same time.
_POLLS = 8


class FinishedWorker:
    """A worker that has done its job in this process by the time it is made, and says so a little later."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder
        self._start = folder.end_of_events()
        folder.clear_cancel()
        self.code = main(folder.path)
        self._polls = 0

    def poll(self) -> int | None:
        self._polls += 1
        return self.code if self._polls > _POLLS else None

    def all_events(self) -> list[Event]:
        return self.folder.events(self._start)[0]


def wait_until(happened: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something has happened, or fail."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)

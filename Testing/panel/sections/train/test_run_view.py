"""Progress is drawn once for everything that changes, as each drawing puts all views of Slicer together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from SemiSupervisedSegLib.jobs.events import StageStarted, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.study.model import Study

from .train_panel import TrainPanel


class Drawings(qt.QObject):
    """Counts the drawings of a widget."""

    count = 0

    def eventFilter(self, watched: qt.QObject, event: qt.QEvent) -> bool:
        self.count += event.type() == qt.QEvent.Paint
        return False


def test_progress_is_drawn_with_what_else_changes(make_panel: Callable[[str], TrainPanel], study: Study, spin: Any):
    panel = make_panel("")
    view, bar, drawings = panel.section.view, panel.ui.progressBar, Drawings()
    panel.window.show()
    view.begin(JobFolder(study.folder / "rounds" / "001-supervised"))
    view.take([StageStarted("train", "Training", 100)])
    spin(bar.isVisible)
    assert (bar.value, bar.maximum) == (1, 1000), "at 0 it would move on"
    bar.installEventFilter(drawings)
    for step in (10, 60):
        before = drawings.count
        view.take([StepDone("train", step, 100, {}, 0.01)])
        assert drawings.count == before
        spin(lambda before=before: drawings.count > before)
        assert bar.value == 10 * step

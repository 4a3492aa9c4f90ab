"""Runs inside Slicer: does what a user does with the panel and writes how long the main thread was busy each time.

Slicer executes this file (`--python-script`), started by `python -m Testing.benchmarks.panel`. It uses only what the
panel has had since its first version, so that an older checkout can be measured with the same file.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STUDY, OUTPUT = "PANEL_BENCHMARK_STUDY", "PANEL_BENCHMARK_OUTPUT"
_TICK_MS = 10
# Shorter gaps are not felt, and a quiet time this long ends an action.
_GAP_SECONDS, _QUIET_SECONDS, _LONGEST_SECONDS = 0.03, 1.5, 120.0
_REPETITIONS = 3

Action = tuple[str, Callable[[], object]]


@dataclass
class Measured:
    """Gaps of the main thread during an action: pairs of wall and CPU seconds."""

    name: str
    gaps: list[tuple[float, float]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return the longest gap and the sum of the CPU time of all gaps, in ms."""
        wall, processor = max(self.gaps, default=(0.0, 0.0))
        total = sum(gap[1] for gap in self.gaps)
        figures = {"gap_ms": wall, "gap_cpu_ms": processor, "cpu_ms": total}
        return {"action": self.name} | {name: round(1000 * value) for name, value in figures.items()}


class Driver:
    """Performs actions one after another from Qt's event loop, each when Slicer is quiet again.

    Args:
        actions: Names and functions.
        done: Function called with all rows at the end.
        is_reading_ahead: Function that returns whether another process still reads what is shown next; a user looks at
            an image for longer than that takes.
    """

    def __init__(
        self,
        actions: Iterator[Action],
        done: Callable[[list[dict[str, Any]]], None],
        is_reading_ahead: Callable[[], bool],
    ) -> None:
        import qt

        self._actions, self._done, self._is_reading_ahead = actions, done, is_reading_ahead
        self._rows: list[Measured] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(_TICK_MS)
        self._timer.connect("timeout()", self._tick)
        self._last = time.perf_counter(), time.thread_time()
        self._busy = self._started = time.perf_counter()
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter(), time.thread_time()
        wall, processor = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        # By the processor: the clock also counts what other programs do to the machine.
        if processor > _GAP_SECONDS:
            self._busy = now[0]
            if self._rows:
                self._rows[-1].gaps.append((wall, processor))
        isQuiet = now[0] - self._busy > _QUIET_SECONDS and not self._is_reading_ahead()
        if isQuiet or now[0] - self._started > _LONGEST_SECONDS:
            self._next()

    def _next(self) -> None:
        following = next(self._actions, None)
        if following is None:
            self._timer.stop()
            self._done([row.row() for row in self._rows])
            return
        name, action = following
        self._rows.append(Measured(name))
        self._busy = self._started = time.perf_counter()
        self._last = self._busy, time.thread_time()
        action()


class Work:
    """What a user does.

    Args:
        study: Folder of a study of `make_large_study`.
        temporary: Folder for the files of scenes.
    """

    def __init__(self, study: Path, temporary: Path) -> None:
        self._study, self._temporary = study, temporary

    @property
    def panel(self) -> Any:
        """The panel of the module."""
        import slicer

        return slicer.modules.semisupervisedseg.widgetRepresentation().self().panel

    def is_reading_ahead(self) -> bool:
        """Return whether files are still being read ahead, which earlier versions do not do."""
        import slicer

        if slicer.util.selectedModule() != "SemiSupervisedSeg":
            return False
        reader = getattr(self.panel, "readAhead", None)
        return reader is not None and reader.isWaiting

    def actions(self) -> Iterator[Action]:
        """Yield everything in order; what depends on the panel is evaluated when its turn comes."""
        import slicer

        yield "open the module", lambda: slicer.util.selectModule("SemiSupervisedSeg")
        yield "open the study", lambda: self.panel.session.open_study(self._study)
        self._answer()
        cases = [case.id for case in self.panel.session.study.cases]
        yield "show the first case", lambda: self.panel.session.show(cases[0])
        for number in range(_REPETITIONS):
            yield "show a case", lambda number=number: self.panel.session.show(cases[number % 2 + 1])
        for case in (cases[1], cases[0]):
            yield "Annotate", lambda case=case: self._annotate(case)
            yield "save the annotation", self._save
        for number in range(_REPETITIONS):
            yield "click on a row of Review", lambda number=number: self._row(number % 2 + 2)
        yield from self._reviewing(cases)
        yield from self._displaying()
        yield from self._scenes()

    def _reviewing(self, cases: list[str]) -> Iterator[Action]:
        review = self.panel.sections["Review"].ui
        yield "Next", review.nextButton.click
        yield "show a case that is to be accepted", lambda: self.panel.session.show(cases[2])
        yield "Correct", review.correctButton.click
        yield "Accept a correction, next", review.acceptButton.click
        yield "Accept, next", review.acceptButton.click

    def _displaying(self) -> Iterator[Action]:
        review = self.panel.sections["Review"].ui
        for index in (2, 0):
            yield (
                f"heatmap {review.heatmapBox.itemText(index)}",
                lambda index=index: review.heatmapBox.setCurrentIndex(index),
            )
        for step in range(_REPETITIONS):
            yield "preview while training", lambda step=step: self._preview(step)
        for name, index in (("side by side", 1), ("back from side by side", 0)):
            yield name, lambda index=index: review.layoutBox.setCurrentIndex(index)
        from SemiSupervisedSegLib.panel.scene.curves import TrainingCurves

        curves = TrainingCurves()
        for step in range(3):
            curves.addStep(step, {"supervised": 1.0 / (step + 1)})
        yield "show curves", curves.show

    def _scenes(self) -> Iterator[Action]:
        import slicer

        path = str(self._temporary / "scene.mrb")
        yield "save the scene (.mrb)", lambda: slicer.util.saveScene(path)
        yield "close the scene", lambda: slicer.mrmlScene.Clear(0)
        yield "load the scene (.mrb)", lambda: slicer.util.loadScene(path)

    def _answer(self) -> None:
        dialogs = self.panel.services.dialogs
        dialogs.confirm = lambda text: True
        dialogs.showError = dialogs.inform = lambda text: print("DIALOG", text)

    def _annotate(self, case: str) -> None:
        section = self.panel.sections["Cases"]
        # Its name in the first version.
        (section.annotationEditor if hasattr(section, "annotationEditor") else section.annotating).start(case)

    def _save(self) -> None:
        cases, pane = self.panel.sections["Cases"].ui, self.panel.ui
        (pane.saveEditButton if hasattr(pane, "saveEditButton") else cases.saveAnnotationButton).click()

    def _row(self, row: int) -> None:
        self.panel.sections["Review"].ui.resultsTable.selectRow(row)

    def _preview(self, step: int) -> None:
        place = self._study / "rounds" / "001-supervised" / "previews" / self.panel.session.case_id
        files = {}
        for path in place.glob("*.nrrd"):
            os.utime(path)
            files[path.name.split(".")[0]] = path
        self.panel.scene.refreshPredictions(files, step)


def main() -> None:
    """Measure, write the rows as JSON and end Slicer."""
    import qt
    import slicer

    output, loop = Path(os.environ[OUTPUT]), qt.QEventLoop()
    work = Work(Path(os.environ[STUDY]), output.parent)

    def done(rows: list[dict[str, Any]]) -> None:
        output.write_text(json.dumps(rows), encoding="utf-8")
        loop.quit()

    def failed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        traceback.print_exception(kind, error, trace)
        loop.exit(1)

    sys.excepthook = failed
    driver = Driver(work.actions(), done, work.is_reading_ahead)
    # In the testing mode Slicer ends with the script.
    slicer.app.exit(loop.exec_())
    del driver


if __name__ == "__main__":
    main()

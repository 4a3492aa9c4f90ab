"""What Slicer's views show of a running training: its curves, and the shown case as segmented so far."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import qt

from ....jobs.comparison import Comparison
from ....jobs.events import Event, PreviewReady, StepDone, Validated
from ....jobs.folder import JobFolder
from ....study.errors import UserError
from ...scene.case_scene import CaseScene
from ...scene.curves import TrainingCurves
from ...session import Session

_TICK_MILLISECONDS = 100
# Of each tick: the rest belongs to the user.
_SECONDS_AT_ONCE = 0.02


class LivePreview:
    """Feeds curves and overlays a little at a time, as a long round that is followed again has many points.

    Args:
        session: Session with the displayed case.
        scene: Scene of cases; it refreshes the predictions of the displayed one.
        curves: Curves in Slicer's plot view.
        button: Button that shows the curves while it is down.
    """

    def __init__(self, session: Session, scene: CaseScene, curves: TrainingCurves, button: qt.QAbstractButton) -> None:
        self._session, self._scene, self._curves, self._button = session, scene, curves, button
        button.setVisible(False)
        button.connect("toggled(bool)", self._showCurves)
        self._folder: JobFolder | None = None
        self._colors: dict[str, tuple[int, int, int]] = {}
        self._points: deque[StepDone | Validated] = deque()
        self._previews: dict[str, PreviewReady] = {}
        self._shown: tuple[str, int] | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_TICK_MILLISECONDS)
        self._timer.connect("timeout()", self._work)
        session.case_changed.connect(self._showAgain)

    def begin(self, folder: JobFolder) -> None:
        """Follow another run from its beginning."""
        self._folder = folder
        self._colors = {item.name: item.color for item in self._session.study.structures} if self._session.study else {}
        self._points.clear()
        self._previews.clear()
        self._shown = None
        self._curves.clear()
        self._button.setVisible(not isinstance(folder, Comparison))

    def take(self, events: Sequence[Event]) -> None:
        """Queue an event; it is displayed soon."""
        if isinstance(self._folder, Comparison):
            # One curve after another of many trainings would hide what the table shows.
            return
        for event in events:
            if isinstance(event, StepDone | Validated):
                self._points.append(event)
            elif isinstance(event, PreviewReady):
                self._previews[event.case] = event
        if not self._timer.active:
            self._timer.start()

    def end(self) -> None:
        """Replace previews by the predictions of the round when the run has ended."""
        self._previews.clear()

    def hideCurves(self) -> None:
        """Give the layout back."""
        self._button.setChecked(False)

    def cleanup(self) -> None:
        """Show nothing any more."""
        self._timer.stop()
        self._curves.hide()
        self._session.case_changed.disconnect(self._showAgain)

    def forget(self) -> None:
        """Remove the curves: their study was closed."""
        self._points.clear()
        self.hideCurves()
        self._button.setVisible(False)
        self._curves.clear()

    def _showCurves(self, shown: bool) -> None:
        if shown:
            self._curves.show()
        else:
            self._curves.hide()

    def _showAgain(self) -> None:
        # Another case was loaded, without the preview of the present run.
        self._shown = None
        if self._previews and not self._timer.active:
            self._timer.start()

    def _work(self) -> None:
        end = time.monotonic() + _SECONDS_AT_ONCE
        while self._points and time.monotonic() < end:
            point = self._points.popleft()
            if isinstance(point, StepDone):
                self._curves.addStep(point.step, point.losses)
            else:
                self._curves.addValidation(point.step, point.dice, self._colors)
        self._curves.redraw()
        if not self._points:
            self._timer.stop()
            self._refreshOverlays()

    def _refreshOverlays(self) -> None:
        preview = self._previews.get(self._session.case_id or "")
        if preview is None or self._shown == (preview.case, preview.step) or not self._isOfThisStudy():
            return
        self._shown = (preview.case, preview.step)
        files = {kind: self._folder.path / path for kind, path in preview.files.items()}
        try:
            self._scene.refreshPredictions(files, preview.step)
        except UserError:
            # The worker replaces these files now and then; the next preview comes soon.
            self._shown = None

    def _isOfThisStudy(self) -> bool:
        return self._session.folder is not None and self._session.folder in self._folder.path.parents

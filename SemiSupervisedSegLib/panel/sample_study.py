"""The sample study: made in a separate process, so that Slicer stays responsive, and loaded image by image."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from ..study.errors import UserError
from ..study.store import load_study
from .run.process_tree import kill_tree
from .run.processes import exitCode, failedToStart, isRunning, makeProcess, startPython
from .scene.sample_data import CATEGORY, NAME, addNodes, sampleRecipe
from .scene.views import showVolume
from .services import Services
from .time_slices import TimeSlicedTask

if TYPE_CHECKING:
    import SampleData

_TICK_MILLISECONDS = 100
_KILL_MILLISECONDS = 1000
Volumes = list["slicer.vtkMRMLScalarVolumeNode"]


class SampleStudy:
    """Brings the images of the sample study into the scene.

    Args:
        services: Starts the process.
        onProgress: Called with the number of images that are made, and of all.
        onDone: Called with the volume nodes.
        onError: Called with what went wrong.
    """

    def __init__(
        self,
        services: Services,
        onProgress: Callable[[int, int], None],
        onDone: Callable[[Volumes], None],
        onError: Callable[[UserError], None],
    ) -> None:
        self._onProgress, self._onDone, self._onError = onProgress, onDone, onError
        self._recipe = sampleRecipe()
        self._temporary = tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath)
        self._folder = Path(self._temporary.name) / "phantom"
        self._loading: TimeSlicedTask | None = None
        self._process = makeProcess(services)
        startPython(
            self._process,
            services,
            ("-m", "SemiSupervisedSegLib.phantom", str(self._folder), json.dumps(self._recipe)),
        )
        self._timer = qt.QTimer()
        self._timer.setInterval(_TICK_MILLISECONDS)
        self._timer.connect("timeout()", self._tick)
        self._timer.start()

    def cancel(self) -> None:
        """Stop; nothing is called any more."""
        self._timer.stop()
        if self._loading is not None:
            self._loading.cancel()
        if isRunning(self._process):
            kill_tree(self._process.processId())
            self._process.kill()
            self._process.waitForFinished(_KILL_MILLISECONDS)
        self._end()

    def _tick(self) -> None:
        total = sum(self._recipe[kind] for kind in ("labeled", "validation", "unlabeled", "external"))
        if isRunning(self._process):
            self._onProgress(len(list(self._folder.glob("images/*"))), total)
            return
        self._timer.stop()
        if failedToStart(self._process) or exitCode(self._process) != 0:
            errors = self._process.readAllStandardError().data().decode("utf-8", errors="replace").strip()
            self._failed(_problem(errors.splitlines()[-1] if errors else self._process.errorString()))
            return
        try:
            study = load_study(self._folder)
        except UserError as error:
            self._failed(error)
            return
        self._loading = TimeSlicedTask(addNodes(study), self._loaded, self._failed)

    def _loaded(self, volumes: Volumes) -> None:
        showVolume(volumes[0])
        self._end()
        self._onDone(volumes)

    def _failed(self, error: UserError) -> None:
        self._end()
        self._onError(error)

    def _end(self) -> None:
        self._loading = None
        self._process.deleteLater()
        self._temporary.cleanup()


def registerSampleData(thumbnail: str) -> None:
    """Offer the sample study in the module Sample Data; `thumbnail` is the path of its picture."""
    # Slicer's own module, which is there once Slicer has started.
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        # Nothing is fetched from anywhere, but a source needs one.
        uris="",
        fileNames="",
        customDownloader=_loadAndWait,
        thumbnailFileName=thumbnail,
    )


def _loadAndWait(_source: SampleData.SampleDataSource) -> Volumes:
    """Load the study and return its volumes, as Sample Data wants it; meanwhile Slicer draws, and takes no clicks."""
    from .slicer_services import defaultServices

    loop, volumes, errors = qt.QEventLoop(), [], []

    def end(into: list, content: list) -> None:
        into.extend(content)
        loop.quit()

    def show(done: int, total: int) -> None:
        words = _("Making the images of the sample study: {done} of {total}")
        slicer.util.showStatusMessage(words.format(done=done, total=total))

    made = SampleStudy(defaultServices(), show, lambda found: end(volumes, found), lambda error: end(errors, [error]))
    with slicer.util.WaitCursor():
        loop.exec_(qt.QEventLoop.ExcludeUserInputEvents)
    del made
    if errors:
        slicer.util.warningDisplay(str(errors[0]))
        return []
    slicer.util.showStatusMessage(_("The sample study is in the scene."), 3000)
    return volumes


def _problem(reason: str) -> UserError:
    return UserError(
        _("The sample study could not be made ({reason}).").format(reason=reason.rstrip(".")),
        _("Check the free disk space, restart Slicer and try again."),
    )

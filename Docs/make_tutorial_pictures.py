"""Make the pictures of the tutorial by going through it: every click is made on the real panel.

python Docs/make_tutorial_pictures.py                                        beside slice views that stand for Slicer's
Slicer --python-script Docs/make_tutorial_pictures.py --exit-after-startup   in Slicer itself
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import slicer  # noqa: E402
from scipy import ndimage  # noqa: E402

PICTURES = ROOT / "Docs" / "pictures" / "tutorial"
THUMBNAIL = ROOT / "SemiSupervisedSeg" / "Resources" / "Icons" / "SamplePhantom.png"
THUMBNAIL_SIDE = 160
# Minutes on a processor: fewer steps than the preset has, with fewer images each.
METHOD = "self_training"
BATCHES = {"labeled_batch": 4, "unlabeled_batch": 4}
STEPS = {**BATCHES, "steps": 400, "validation_interval": 40, "preview_interval": 100}
NEXT_STEPS = {**BATCHES, "steps": 200, "validation_interval": 100, "preview_interval": 200}
SECONDS = 3600


class StandIn:
    """The panel beside slice views that are drawn off screen."""

    def __init__(self) -> None:
        from SemiSupervisedSegLib.panel.slicer_services import defaultServices
        from SemiSupervisedSegLib.panel.widget import Panel
        from Testing.slicer_stand_in.dialogs import ScriptedDialogs
        from Testing.slicer_stand_in.window import Window

        self._window = Window()
        services = defaultServices()
        services.dialogs = ScriptedDialogs()
        self.panel = Panel(ROOT / "SemiSupervisedSeg" / "Resources" / "UI", slicer.mrmlScene, services)
        self._window.setPanel(self.panel.widget)

    def fit(self) -> None:
        """Fit the views to their images."""
        self._window.fit()

    def grab(self) -> Any:
        """Return the window as a picture."""
        return self._window.grab()

    def save_thumbnail(self) -> None:
        """Take the picture of the sample study in the module Sample Data."""
        from Testing.slicer_stand_in.pyside import QtCore

        view = self._window.grabView("Red")
        side = QtCore.QSize(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        save(view.scaled(side, QtCore.Qt.KeepAspectRatioByExpanding, QtCore.Qt.SmoothTransformation), THUMBNAIL)


class Desktop:
    """Slicer's own window."""

    def __init__(self) -> None:
        slicer.util.selectModule("SemiSupervisedSeg")
        self.panel = slicer.modules.semisupervisedseg.widgetRepresentation().self().panel
        # All of the height for the panel.
        slicer.util.setDataProbeVisible(False)
        slicer.util.mainWindow().resize(1280, 960)

    def fit(self) -> None:
        """Fit the views to their images, once they have the size that the layout and the panel leave them."""
        for _ in range(5):
            slicer.app.processEvents()
        slicer.util.resetSliceViews()

    def grab(self) -> Any:
        """Return the window as a picture."""
        slicer.util.forceRenderAllViews()
        return slicer.util.mainWindow().grab().toImage()

    def save_thumbnail(self) -> None:
        """Made by the stand-in, whose views have no decoration."""


class Tour:
    """Goes through the loop and takes pictures on the way.

    Args:
        stage: where the panel is.
        folder: for the study and what is exported.
    """

    def __init__(self, stage: Any, folder: Path) -> None:
        from Testing.panel.loop_driver import LoopDriver

        self.stage, self.panel, self.folder = stage, stage.panel, folder
        self.loop = LoopDriver(stage.panel, wait)

    def run(self) -> None:
        """All of it; takes minutes, most of them for two trainings."""
        set_layout("SlicerLayoutOneUpRedSliceView")
        self.make_study()
        self.mark_cases()
        self.annotate()
        self.train()
        self.review()
        self.correct()
        self.go_on()

    def make_study(self) -> None:
        """Show the sample data and the form of the study."""
        from SemiSupervisedSegLib.panel.scene.views import showVolume
        from Testing.panel.loop_driver import loadPhantoms

        volume = loadPhantoms()[0]
        showVolume(volume)
        segmentation = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0]
        segmentation.SetDisplayVisibility(True)
        self.stage.fit()
        go_to(segmentation)
        self.loop.fillStudy("Phantom", "Home", segmentation)
        self.shoot("1-study", "Study")
        self.stage.save_thumbnail()
        segmentation.SetDisplayVisibility(False)
        self.loop.createStudy(self.folder / "study")

    def mark_cases(self) -> None:
        """Show the table of cases."""
        self.loop.addVolumes()
        ids = [case.id for case in self.panel.session.study.cases]
        for site in ("East", "West"):
            self.loop.setSite([name for name in ids if name.startswith(site)], site)
        self.loop.setRole(["Home-3"], "validation")
        self.loop.show("Home-1")
        self.stage.fit()
        go_to(self.panel.scene.nodes.annotation)
        self.loop.setRole(ids[3:], "unlabeled")
        self.shoot("2-cases", "Cases")

    def annotate(self) -> None:
        """Show the Segment Editor in the panel."""
        self.loop.annotate("Home-2")
        self.stage.fit()
        go_to(self.panel.scene.nodes.annotation)
        self.shoot("3-annotate", "Cases", self.panel.ui.editingPane)
        self.loop.click(self.panel.ui.discardEditButton)

    def train(self) -> None:
        """Show a round from its settings to its end."""
        self.loop.show("Home-4")
        self.stage.fit()
        self.loop.setUpTraining(METHOD, "quick", **STEPS)
        self.shoot("4-train", "Train")
        folder = self.loop.start()
        self.loop.click(self.loop.ui("Train").curvesButton)
        self.loop.waitForPreview(SECONDS, STEPS["steps"] // 2)
        self.stage.fit()
        go_to(self.panel.scene.nodes.prototype)
        self.shoot("5-watch", "Train", self.loop.ui("Train").progressPanel)
        self.loop.waitForRound(folder, SECONDS)
        self.loop.click(self.loop.ui("Train").curvesButton)
        set_layout("SlicerLayoutOneUpRedSliceView")

    def review(self) -> None:
        """Show the result with the highest priority for review, in three ways."""
        ui = self.loop.ui("Review")
        self.loop.review(0)
        self.stage.fit()
        self.loop.click(ui.worstPlaceButton)
        self.shoot("6-review", "Review")
        ui.heatmapBox.setCurrentIndex(ui.heatmapBox.findData("uncertainty"))
        self.shoot("7-uncertainty", "Review", ui.heatmapBox)
        ui.heatmapBox.setCurrentIndex(0)
        ui.layoutBox.setCurrentIndex(1)
        self.stage.fit()
        self.shoot("8-side-by-side", "Review", ui.layoutBox)
        ui.layoutBox.setCurrentIndex(0)
        self.stage.fit()

    def correct(self) -> None:
        """Show the Segment Editor on a copy of the result, from which loose pieces are erased."""
        ui = self.loop.ui("Review")
        self.loop.correct()
        nodes = self.panel.scene.nodes
        go_to(nodes.final)
        for structure in self.panel.session.study.structures:
            self.loop.paint(None, loose_pieces(mask(nodes.annotation, structure.name, nodes.volume)))
        self.stage.fit()
        go_to(nodes.final)
        self.shoot("9-correct", "Review", ui.nextRoundButton)
        self.loop.accept()

    def go_on(self) -> None:
        """Show the next round and the export."""
        self.loop.offerNextRound()
        self.loop.setUpTraining(METHOD, "quick", **NEXT_STEPS)
        folder = self.loop.start()
        self.loop.waitForRound(folder, SECONDS)
        self.loop.review(0)
        self.stage.fit()
        self.loop.click(self.loop.ui("Review").worstPlaceButton)
        self.shoot("10-next-round", "Review")
        self.loop.export(self.folder / "exported", "seg.nrrd")
        self.shoot("11-export", "Export")

    def shoot(self, name: str, section: str, widget: Any = None) -> None:
        """Take a picture with one section open, scrolled to a widget of it."""
        for title, fold in self.panel.folds.items():
            fold.setProperty("collapsed", title != section)
        for _ in range(5):
            slicer.app.processEvents()
        self.panel.ui.scrollArea.ensureWidgetVisible(widget or self.panel.folds[section], 0, 0)
        if widget is None:
            self.panel.ui.scrollArea.verticalScrollBar().setValue(0)
        slicer.app.processEvents()
        save(self.stage.grab(), PICTURES / f"{name}.png")


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the application work until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"This did not come true in {seconds} s.")
        slicer.app.processEvents()
        time.sleep(0.01)


def set_layout(name: str) -> None:
    """Another layout of the views."""
    slicer.app.layoutManager().setLayout(getattr(slicer.vtkMRMLLayoutNode, name))


def mask(node: Any, name: str, volume: Any) -> np.ndarray:
    """Where a segment is (z, y, x)."""
    segment = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume) > 0


def loose_pieces(inside: np.ndarray) -> np.ndarray:
    """All of a structure but its largest piece."""
    pieces, count = ndimage.label(inside)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    return inside & (pieces != 1 + int(sizes.argmax())) if count else inside


def go_to(segmentation: Any) -> None:
    """Move all slices through the middle of the first segment."""
    centre = segmentation.GetSegmentCenterRAS(segmentation.GetSegmentation().GetNthSegmentID(0))
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByOffsetting(*centre)


def save(image: Any, path: Path) -> None:
    """Write a picture with 64 shades of each colour, which halves the file and is not seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image.convertToFormat(type(image).Format_RGB666).convertToFormat(type(image).Format_RGB32)
    # The quality of a PNG file is how little it is compressed.
    if not image.save(str(path), "PNG", 0):
        raise OSError(f"{path} could not be written.")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    """Take all pictures."""
    isSlicer = hasattr(slicer, "app")
    if not isSlicer:
        from Testing.slicer_stand_in import desktop

        desktop.start()
    with tempfile.TemporaryDirectory() as folder:
        Tour(Desktop() if isSlicer else StandIn(), Path(folder)).run()


if __name__ == "__main__":
    main()

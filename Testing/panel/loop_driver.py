"""The whole loop of semi-supervised segmentation, as a user goes through it: every step is clicks on the real panel.

The test of the loop, the script of the tutorial's pictures and a real Slicer use the same steps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.scene.sample_data import addNodes, sampleRecipe
from SemiSupervisedSegLib.phantom.generate import generate_study

Wait = Callable[[Callable[[], bool], float], None]
"""Lets the application work until something holds; an error after so many seconds."""


def loadPhantoms(**recipe: Any) -> list[Any]:
    """Put the images of the sample study into the scene; `recipe` is what differs from it."""
    with tempfile.TemporaryDirectory() as folder:
        work = addNodes(generate_study(Path(folder) / "phantom", **{**sampleRecipe(), **recipe}))
        while True:
            try:
                next(work)
            except StopIteration as stop:
                return stop.value


class LoopDriver:
    """Uses a panel.

    Args:
        panel: SemiSupervisedSegLib.panel.widget.Panel.
        wait: see `Wait`.
    """

    def __init__(self, panel: Any, wait: Wait) -> None:
        self.panel, self.session, self._wait = panel, panel.session, wait

    def ui(self, section: str) -> Any:
        """The widgets of a section."""
        return self.panel.sections[section].ui

    def fillStudy(self, name: str, site: str, segmentation: Any) -> None:
        """Describe a new study, with the structures of a segmentation of the scene."""
        ui = self.ui("Study")
        ui.nameEdit.setText(name)
        ui.siteEdit.setText(site)
        ui.segmentationSelector.setCurrentNode(segmentation)
        self.click(ui.takeButton)

    def createStudy(self, folder: Path) -> None:
        """Make the described study in an empty folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.click(self.ui("Study").createButton, chooseFolder=str(folder))

    def addVolumes(self) -> None:
        """All images of the scene, with the segmentations of them, as cases."""
        adder = self.panel.sections["Cases"].adder
        self.click(self.ui("Cases").addVolumesButton, chooseItems=lambda title, label, items: list(range(len(items))))
        self._wait(lambda: not adder.busy, 60)

    def setSite(self, caseIds: Sequence[str], site: str) -> None:
        """Where these cases come from."""
        self.select(caseIds)
        self.ui("Cases").siteBox.setEditText(site)
        self.click(self.ui("Cases").setSiteButton)

    def setRole(self, caseIds: Sequence[str], role: str) -> None:
        """What these cases are used for."""
        self.select(caseIds)
        choose(self.ui("Cases").roleBox, role)
        self.click(self.ui("Cases").setRoleButton)

    def select(self, caseIds: Sequence[str]) -> None:
        """Select rows of the table of cases."""
        self.panel.sections["Cases"].table.select(list(caseIds))

    def show(self, caseId: str) -> None:
        """Show a case in the views."""
        self.select([caseId])
        self.click(self.ui("Cases").showButton)

    def annotate(self, caseId: str) -> None:
        """Open the Segment Editor on a case."""
        self.select([caseId])
        self.click(self.ui("Cases").annotateButton)

    def paint(self, name: str | None, where: np.ndarray) -> None:
        """What a brush does: these voxels (z, y, x) become the segment of this name, none when it is None."""
        nodes = self.panel.scene.nodes
        segmentation = nodes.annotation.GetSegmentation()
        for index in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegmentID(index)
            mask = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.annotation, segment, nodes.volume)
            inside = np.zeros(where.shape, bool) if mask is None else mask > 0
            isIt = segmentation.GetSegment(segment).GetName() == name
            changed = inside | where if isIt else inside & ~where
            slicer.util.updateSegmentBinaryLabelmapFromArray(
                changed.astype(np.uint8), nodes.annotation, segment, nodes.volume
            )

    def saveAnnotation(self) -> None:
        """Save what is in the Segment Editor."""
        self.click(self.panel.ui.saveEditButton)

    def setUpTraining(self, method: str, preset: str, **settings: Any) -> None:
        """Choose what to train; the device is the first one found."""
        train = self.panel.sections["Train"]
        self._wait(lambda: bool(train.form.device), 120)
        choose(train.ui.methodBox, method)
        choose(train.ui.presetBox, preset)
        for name, value in settings.items():
            train.form.settings.rows[name].tryValue(value)
        train.form.refresh()

    def start(self) -> JobFolder:
        """Train a round in the background; returns its folder at once."""
        self.click(self.ui("Train").startButton)
        if not self.panel.runner.running:
            raise AssertionError(self.ui("Train").outcomeLabel.text)
        return self.panel.runner.folder

    def waitForPreview(self, seconds: float, step: int = 1) -> None:
        """Until the shown case has both results of this step, or a later one, of the running training."""
        self._wait(lambda: self.previewStep() >= step or not self.panel.runner.running, seconds)
        if self.previewStep() < step:
            raise AssertionError(self.ui("Train").outcomeLabel.text)

    def previewStep(self) -> int:
        """The step whose results of the shown case are in the scene, 0 for none."""
        nodes = self.panel.scene.nodes
        if nodes is None or nodes.final is None or nodes.prototype is None or "(step " not in nodes.final.GetName():
            return 0
        return int(nodes.final.GetName().split("(step ")[1].rstrip(")"))

    def waitForRound(self, folder: JobFolder, seconds: float) -> None:
        """Until a round is finished and its results are listed."""
        self._wait(lambda: not self.panel.runner.running, seconds)
        if self.session.round is None or self.session.round.path != folder.path:
            raise AssertionError(self.ui("Train").outcomeLabel.text)
        self._wait(lambda: self.panel.sections["Review"].model.rowCount() > 0, 30)

    def rankedCases(self) -> list[str]:
        """The results under review, the one that needs a look most first."""
        return self.panel.sections["Review"].model.caseIds()

    def review(self, row: int) -> str:
        """Click on a result; returns its case."""
        self.ui("Review").resultsTable.selectRow(row)
        return self.session.case_id

    def correct(self) -> None:
        """Open the Segment Editor on a copy of the shown result."""
        self.click(self.ui("Review").correctButton)

    def accept(self) -> None:
        """Make the shown result, or what was made of it, the annotation of its case."""
        self.click(self.ui("Review").acceptButton)

    def offerNextRound(self) -> None:
        """Go on to the next round, which builds on the one under review."""
        self.click(self.ui("Review").nextRoundButton)

    def export(self, folder: Path, suffix: str) -> list[Path]:
        """Export all annotations and accepted results; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        choose(self.ui("Export").formatBox, suffix)
        self.click(self.ui("Export").exportButton, chooseFolder=str(folder))
        self._wait(lambda: "Exported" in self.ui("Export").exportMessage.text, 60)
        return sorted(folder.iterdir())

    def click(self, button: Any, **answers: Any) -> None:
        """Click a button that can be clicked, and answer the questions that this asks, each once."""
        if not button.enabled:
            raise AssertionError(f"{button.text} is disabled: {button.toolTip}")
        dialogs = self.panel.services.dialogs
        for question, answer in answers.items():
            setattr(dialogs, question, _once(dialogs, question, answer))
        button.click()


def choose(box: Any, value: str) -> None:
    """Choose an entry by what it stands for."""
    index = box.findData(value)
    if index < 0:
        raise AssertionError(f"There is no {value}.")
    box.setCurrentIndex(index)


def _once(dialogs: Any, question: str, answer: Any) -> Callable[..., Any]:
    def reply(*texts: Any) -> Any:
        delattr(dialogs, question)
        return answer(*texts) if callable(answer) else answer

    return reply

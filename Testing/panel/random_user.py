"""A user who does whatever the panel lets them do, and tries what it does not, in an order that a seed decides."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo
from SemiSupervisedSegLib.panel.scene.segments import segmentationFingerprint
from SemiSupervisedSegLib.panel.session import Session
from SemiSupervisedSegLib.panel.widget import Panel

from .random_actions import OtherActions
from .random_dialogs import RandomDialogs

UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"
_GIVES_UP = ("Discard the changes", "Give up your correction")
# Buttons by section that do something at once, and how often each is chosen.
_BUTTONS = {
    "Study": {"openButton": 2, "closeButton": 1},
    "Cases": {
        "addVolumesButton": 1,
        "addFilesButton": 1,
        "addFolderButton": 1,
        "cancelButton": 3,
        "setRoleButton": 1,
        "setSiteButton": 1,
        "showButton": 2,
        "annotateButton": 6,
        "annotationFileButton": 1,
        "removeButton": 1,
    },
    "Panel": {"saveEditButton": 8, "discardEditButton": 3, "showResultsButton": 1},
    "Train": {
        "startButton": 1,
        "continueButton": 1,
        "stopButton": 3,
        "resumeButton": 1,
        "curvesButton": 1,
        "compareStartButton": 1,
        "compareResumeButton": 1,
        "compareBestButton": 1,
    },
    "Review": {
        "previousButton": 1,
        "nextButton": 4,
        "correctButton": 5,
        "acceptButton": 6,
        "rejectButton": 2,
        "undoButton": 3,
        "worstPlaceButton": 1,
        "nextRoundButton": 1,
    },
    "Export": {
        "exportButton": 2,
        "cancelExportButton": 1,
        "modelFolderButton": 1,
        "modelZipButton": 1,
        "copyReportButton": 1,
        "chooseModelButton": 1,
        "applyCasesButton": 1,
    },
    "Disk": {"freeCacheButton": 1, "deleteRoundButton": 1},
}
# What a user sets out to do, one plan for each seed in turn; other things come between.
_PLANS: tuple[tuple[tuple[str, str] | str, ...], ...] = (
    (("Review", "nextButton"), ("Review", "acceptButton"), ("Review", "undoButton")),
    (("Review", "nextButton"), ("Review", "rejectButton"), "key", "key", "key"),
    (("Review", "nextButton"), "move a study", ("Review", "acceptButton"), ("Study", "openButton")),
    (("Cases", "showButton"), ("Cases", "annotateButton"), "draw", "undo a stroke", ("Panel", "saveEditButton")),
    (("Train", "compareStartButton"), ("Train", "stopButton"), ("Train", "compareResumeButton")),
    (("Train", "continueButton"), ("Review", "nextButton"), ("Review", "acceptButton")),
    (("Study", "openButton"), ("Cases", "annotateButton"), "draw", ("Study", "openButton"), "key"),
)


class RandomUser:
    """Works with a panel.

    Args:
        seed: decides everything.
        place: a folder with `study`, `other`, `files`, `model` and `out`.
        services: as a panel needs them; get dialogs of their own.
        scene: slicer.mrmlScene.
        settings: of every training.

    Attributes:
        log: what was done.
        studies: where the studies are now, by name.
        left: which study was in a folder that it has left.
        drawn: what was drawn and neither saved nor given up, by study folder and case: fingerprint, and the voxels of
            the first structure.
    """

    def __init__(self, seed: int, place: Path, services: Any, scene: Any, settings: dict[str, Any]) -> None:
        self.chance, self.place, self.scene, self._settings = random.Random(seed), place, scene, settings
        self.studies = {name: place / name for name in ("study", "other")}
        self.left: dict[str, str] = {}
        self.services, self.dialogs = services, RandomDialogs(self.chance, place, self.studies)
        services.dialogs = self.dialogs
        self.log: list[str] = []
        self.drawn: dict[tuple[str, str], tuple[str, np.ndarray]] = {}
        self._plan = list(_PLANS[seed % len(_PLANS)])
        self._others = OtherActions(self)
        self.start()

    @property
    def session(self) -> Session:
        """What is open in the panel."""
        return self.panel.session

    def press(self, section: str, name: str) -> None:
        """Click a button, if it is there to be clicked."""
        button = getattr(self.unfolded(section), name)
        if not button.isVisibleTo(self.panel.widget):
            return
        self.log.append(f"{name}{'' if button.enabled else ' (disabled)'}")
        before = self._state() if not button.enabled else None
        shown, questions = self.session.case_id, len(self.dialogs.agreed)
        button.click()
        if before is not None:
            assert button.toolTip, f"{name} does not say why it is disabled"
            assert self._state() == before, f"{name} is disabled and did something"
        if any(text.startswith(_GIVES_UP) for text in self.dialogs.agreed[questions:]):
            self.drawn.pop((str(self.session.folder), shown), None)

    def act(self) -> None:
        """Do something, now and then what cannot be done."""
        weights = {(section, name): weight for section, names in _BUTTONS.items() for name, weight in names.items()}
        weights |= self._others.weights
        tries = self.chance.choices(list(weights), list(weights.values()), k=8)
        if self._plan and self.chance.random() < 0.6 and self._isPossible(self._plan[0]):
            tries = [self._plan.pop(0)]
        possible = [kind for kind in tries if self._isPossible(kind)]
        chosen = possible[0] if possible and self.chance.random() < 0.85 else tries[0]
        if isinstance(chosen, tuple):
            self.press(*chosen)
        else:
            self._others.do(chosen)

    def node(self) -> Any:
        """The segmentation that is being edited, None when none is."""
        return self.panel.editing.editor.node

    def noteDrawing(self) -> None:
        """Note what is drawn now in the shown case."""
        key, nodes = (str(self.session.folder), self.session.case_id), self.panel.scene.nodes
        if nodes is None or nodes.annotation is None or nodes.volume is None:
            return
        segmentation = nodes.annotation.GetSegmentation()
        segment = segmentation.GetSegmentIdBySegmentName(self.session.study.structures[0].name)
        made = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.annotation, segment, nodes.volume)
        self.drawn[key] = (segmentationFingerprint(nodes.annotation), made)
        if not self.panel.scene.hasUnsavedAnnotation():
            del self.drawn[key]

    def leave(self) -> None:
        """End the panel as Slicer does when it reloads a module or ends."""
        self.panel.cleanup()
        self.panel.widget.delete()

    def _isPossible(self, kind: tuple[str, str] | str) -> bool:
        if isinstance(kind, str):
            return self._others.isPossible(kind)
        button = getattr(self.unfolded(kind[0]), kind[1])
        return button.enabled and button.isVisibleTo(self.panel.widget)

    def start(self) -> None:
        """Make the panel."""
        self.panel = panel = Panel(UI, self.scene, self.services)
        train = panel.sections["Train"]
        # To ask for it takes seconds.
        train.probe.devices = (DeviceInfo("cpu", "Processor", 4 * 10**9, 8 * 10**9, 100.0, False),)
        train._showDevices()
        train.form.chooseMethod("supervised")
        train.form.choosePreset("quick")
        for name, value in self._settings.items():
            train.form.settings.rows[name].tryValue(value)
        # What a model of a few steps finds, it finds by its prototypes.
        kinds = panel.sections["Review"].ui.kindBox
        kinds.setCurrentIndex(kinds.findData("prototype"))

    def unfolded(self, section: str) -> Any:
        """The widgets of a section, which the user unfolds to use them."""
        if section == "Panel":
            return self.panel.ui
        self.panel.folds[section].setProperty("collapsed", False)
        ui = self.panel.sections[section].ui
        if section == "Train":
            ui.compareButton.setProperty("collapsed", False)
        return ui

    def _state(self) -> tuple[Any, ...]:
        session, scene = self.session, self.scene
        return session.study, session.case_id, session.round, session.facts().run, scene.GetNumberOfNodes()

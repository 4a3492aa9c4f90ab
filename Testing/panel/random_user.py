"""A user who does whatever the panel lets them do, and tries what it does not, in an order that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo
from SemiSupervisedSegLib.panel.scene.segments import segmentationFingerprint, segmentsOf
from SemiSupervisedSegLib.panel.scene.volumes import addVolume
from SemiSupervisedSegLib.panel.session import Session
from SemiSupervisedSegLib.panel.widget import Panel
from SemiSupervisedSegLib.study.cases import assign_cases
from SemiSupervisedSegLib.study.store import study_lock

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
    "Train": {"startButton": 1, "stopButton": 3, "resumeButton": 1, "curvesButton": 1},
    "Review": {
        "previousButton": 1,
        "nextButton": 4,
        "correctButton": 5,
        "acceptButton": 6,
        "rejectButton": 2,
        "undoButton": 3,
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


class RandomDialogs:
    """Answers every question in some way.

    Attributes:
        messages: Messages to the user.
        agreed: the questions that were answered with yes.
    """

    def __init__(self, chance: random.Random, place: Path) -> None:
        self._chance, self._place = chance, place
        self.messages, self.agreed = [], []

    def confirm(self, text: str) -> bool:
        agrees = self._chance.random() < 0.7
        if agrees:
            self.agreed.append(text)
        return agrees

    def inform(self, text: str) -> None:
        self.messages.append(text)

    def showError(self, error: Exception) -> None:
        self.messages.append(str(error))

    def chooseFolder(self, title: str) -> str | None:
        names = {"Folder of the study": ["study", "study", "other", "files"], "Folder of a trained model": ["model"]}
        names["Add all images of a folder, or a DICOM series"] = ["files", "study"]
        name = self._chance.choice([*names.get(title, ["out"]), None])
        return None if name is None else str(self._place / name)

    def chooseFiles(self, title: str, filter: str) -> list[str]:
        return [str(self._chance.choice(sorted((self._place / "files").iterdir())))]

    def chooseSaveFile(self, title: str, filter: str) -> str | None:
        return self._chance.choice([str(self._place / "out" / "saved"), None])

    def askText(self, title: str, label: str, default: str) -> str | None:
        return self._chance.choice([default, "Elsewhere", None])

    def chooseItems(self, title: str, label: str, items: Any, preselected: bool = True) -> list[int]:
        return [row for row in range(len(items)) if self._chance.random() < 0.5]

    def chooseTerminology(self, title: str, entry: str | None) -> str | None:
        return self._chance.choice([entry, "x~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~y~^^~^^", None])


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
        drawn: what was drawn and neither saved nor given up, by study folder and case: fingerprint and voxels.
    """

    def __init__(self, seed: int, place: Path, services: Any, scene: Any, settings: dict[str, Any]) -> None:
        self.chance, self.place, self.scene, self._settings = random.Random(seed), place, scene, settings
        self.services, self.dialogs = services, RandomDialogs(self.chance, place)
        services.dialogs = self.dialogs
        self.log: list[str] = []
        self.drawn: dict[tuple[str, str], tuple[str, np.ndarray]] = {}
        self.panel = self._makePanel()
        self._others: dict[str, tuple[Callable[[], None], int]] = {
            "select": (self._select, 10),
            "double click": (self._doubleClick, 5),
            "choose": (self._choose, 4),
            "draw": (self._draw, 14),
            "load an image": (self._loadImage, 2),
            "close the scene": (self._closeScene, 1),
            "save and open the scene": (self._reopenScene, 1),
            "reload the module": (self._reload, 2),
            "leave and enter": (self._leaveAndEnter, 1),
            "another Slicer": (self._otherSlicer, 1),
            "in use": (self._inUse, 2),
        }

    @property
    def session(self) -> Session:
        """What is open in the panel."""
        return self.panel.session

    def press(self, section: str, name: str) -> None:
        """Click a button, if it is there to be clicked."""
        button = getattr(self._ui(section), name)
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
        weights |= {name: weight for name, (_, weight) in self._others.items()}
        tries = self.chance.choices(list(weights), list(weights.values()), k=8)
        possible = [kind for kind in tries if self._isPossible(kind)]
        chosen = possible[0] if possible and self.chance.random() < 0.85 else tries[0]
        if isinstance(chosen, tuple):
            self.press(*chosen)
        else:
            self.log.append(chosen)
            self._others[chosen][0]()

    def node(self) -> Any:
        """The segmentation that is being edited, None when none is."""
        return self.panel.editing.editor.node

    def leave(self) -> None:
        """End the panel as Slicer does when it reloads a module or ends."""
        self.panel.cleanup()
        self.panel.widget.delete()

    def _isPossible(self, kind: tuple[str, str] | str) -> bool:
        if isinstance(kind, str):
            return kind != "draw" or self.node() is not None
        button = getattr(self._ui(kind[0]), kind[1])
        return button.enabled and button.isVisibleTo(self.panel.widget)

    def _makePanel(self) -> Panel:
        panel = Panel(UI, self.scene, self.services)
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
        return panel

    def _ui(self, section: str) -> Any:
        """The widgets of a section, which the user unfolds to use them."""
        if section == "Panel":
            return self.panel.ui
        self.panel.folds[section].setProperty("collapsed", False)
        return self.panel.sections[section].ui

    def _state(self) -> tuple[Any, ...]:
        session, scene = self.session, self.scene
        return session.study, session.case_id, session.round, session.facts().run, scene.GetNumberOfNodes()

    def _select(self) -> None:
        model = self.panel.sections["Cases"].model
        rows = self.chance.choices(range(model.rowCount()), k=self.chance.choice((1, 1, 1, 2))) if model.total() else []
        self.panel.sections["Cases"].table.select(sorted({model.caseId(row) for row in rows}))

    def _doubleClick(self) -> None:
        cases = self.panel.sections["Cases"]
        if cases.model.rowCount():
            row = self.chance.randrange(cases.model.rowCount())
            cases.ui.casesTable.activated.emit(cases.model.index(row, 0))

    def _choose(self) -> None:
        section, name = self.chance.choice(
            [
                ("Cases", "roleBox"),
                ("Review", "roundBox"),
                ("Review", "kindBox"),
                ("Review", "heatmapBox"),
                ("Train", "startBox"),
                ("Export", "whatBox"),
                ("Export", "whichBox"),
                ("Export", "exportRoundBox"),
            ]
        )
        box = getattr(self.panel.sections[section].ui, name)
        if box.count and box.enabled:
            index = self.chance.randrange(box.count)
            box.setCurrentIndex(index)
            box.activated.emit(index)

    def _draw(self) -> None:
        """Draw a block of the first structure over everything that is there."""
        node, nodes = self.node(), self.panel.scene.nodes
        if node is None:
            return
        made = np.zeros(slicer.util.arrayFromVolume(nodes.volume).shape, np.uint8)
        corner = [self.chance.randrange(size - 1) for size in made.shape]
        made[tuple(slice(start, start + 6) for start in corner)] = 1
        name = self.session.study.structures[0].name
        for segment_id, segment in segmentsOf(node):
            own = made * np.uint8(segment.GetName() == name)
            slicer.util.updateSegmentBinaryLabelmapFromArray(own, node, segment_id, nodes.volume)
        self.drawn[str(self.session.folder), self.session.case_id] = (segmentationFingerprint(node), made)

    def _loadImage(self) -> None:
        addVolume(self.chance.choice(sorted((self.place / "files").glob("image*.nrrd"))), "mine")

    def _closeScene(self) -> None:
        # Slicer itself asks before, and says that everything in it is lost.
        self.scene.Clear(0)
        self.drawn.clear()

    def _reopenScene(self) -> None:
        path = self.place / "out" / "scene.mrb"
        path.unlink(missing_ok=True)
        assert self.scene.WriteToMRB(str(path))
        self.scene.Clear(0)
        assert self.scene.ReadFromMRB(str(path))

    def _reload(self) -> None:
        self.leave()
        self.panel = self._makePanel()

    def _leaveAndEnter(self) -> None:
        self.panel.exit()
        self.panel.enter()

    def _otherSlicer(self) -> None:
        study = self.session.study
        if study is None or not study.cases:
            return
        other, case = Session(), self.chance.choice(study.cases)
        other.open_study(study.folder)
        other.edit_study(lambda current: assign_cases(current, [case.id], site="Elsewhere"))
        self._leaveAndEnter()

    def _inUse(self) -> None:
        """Do something to a study that another program is just changing."""
        if self.session.study is None:
            return
        with study_lock(self.session.folder):
            for section, name in (("Panel", "saveEditButton"), ("Review", "acceptButton")):
                self.press(section, name)

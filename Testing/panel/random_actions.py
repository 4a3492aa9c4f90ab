"""What a user can do besides clicking a button of the panel, and what other programs do meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import qt
import slicer

from SemiSupervisedSegLib.panel.scene.segments import segmentsOf
from SemiSupervisedSegLib.panel.scene.volumes import addVolume
from SemiSupervisedSegLib.panel.sections.cases.model import NAME, SITE
from SemiSupervisedSegLib.panel.session import Session
from SemiSupervisedSegLib.study.cases import assign_cases
from SemiSupervisedSegLib.study.store import study_lock

if TYPE_CHECKING:
    from .random_user import RandomUser

_BOXES = [
    ("Cases", "roleBox"),
    ("Study", "recentBox"),
    ("Review", "roundBox"),
    ("Review", "kindBox"),
    ("Review", "heatmapBox"),
    ("Review", "layoutBox"),
    ("Train", "startBox"),
    ("Export", "whatBox"),
    ("Export", "whichBox"),
    ("Export", "exportRoundBox"),
]
_NEEDS_EDITOR = ("draw", "undo a stroke", "redo a stroke", "nnInteractive")


class OtherActions:
    """Acts as a user does.

    Args:
        user: what the panel, the scene and the chance are taken from.

    Attributes:
        weights: how often each action is chosen, by name.
    """

    def __init__(self, user: RandomUser) -> None:
        self._user = user
        self._moves = 0
        self._actions = {
            "select": (self._select, 10),
            "double click": (self._doubleClick, 5),
            "choose": (self._choose, 5),
            "key": (self._pressKey, 10),
            "draw": (self._draw, 14),
            "undo a stroke": (self._undo, 5),
            "redo a stroke": (self._redo, 2),
            "nnInteractive": (self._useNNInteractive, 2),
            "load an image": (self._loadImage, 2),
            "delete the shown image": (self._deleteVolume, 1),
            "close the scene": (self._closeScene, 1),
            "write into the table": (self._write, 2),
            "sort": (self._sort, 1),
            "save and open the scene": (self._reopenScene, 1),
            "reload the module": (self._reload, 2),
            "leave and enter": (self._leaveAndEnter, 1),
            "another Slicer": (self._otherSlicer, 1),
            "in use": (self._inUse, 2),
            "move a study": (self._move, 3),
        }
        self.weights = {name: weight for name, (_, weight) in self._actions.items()}

    def isPossible(self, name: str) -> bool:
        """Whether a user could do it now."""
        return name not in _NEEDS_EDITOR or self._user.node() is not None

    def do(self, name: str) -> None:
        """Do it."""
        self._user.log.append(name)
        self._actions[name][0]()

    def _select(self) -> None:
        chance, cases = self._user.chance, self._user.panel.sections["Cases"]
        model = cases.model
        rows = chance.choices(range(model.rowCount()), k=chance.choice((1, 1, 1, 2))) if model.rowCount() else []
        cases.table.select(sorted({model.caseId(row) for row in rows}))

    def _doubleClick(self) -> None:
        cases = self._user.panel.sections["Cases"]
        if cases.model.rowCount():
            row = self._user.chance.randrange(cases.model.rowCount())
            cases.ui.casesTable.activated.emit(cases.model.index(row, 0))

    def _write(self) -> None:
        """Write a name or a site into a row."""
        chance, model = self._user.chance, self._user.panel.sections["Cases"].model
        if model.rowCount():
            cell = model.index(chance.randrange(model.rowCount()), chance.choice((NAME, SITE)))
            model.setData(cell, chance.choice(("Müller^Anna (T1)", "Elsewhere", "")))

    def _sort(self) -> None:
        sections = self._user.panel.sections
        tables = (sections["Cases"].ui.casesTable, sections["Review"].ui.resultsTable)
        table = self._user.chance.choice(tables)
        table.sortByColumn(self._user.chance.randrange(-1, 4), qt.Qt.DescendingOrder)

    def _choose(self) -> None:
        section, name = self._user.chance.choice(_BOXES)
        box = getattr(self._user.panel.sections[section].ui, name)
        if box.count and box.enabled:
            index = self._user.chance.randrange(box.count)
            box.setCurrentIndex(index)
            box.activated.emit(index)

    def _pressKey(self) -> None:
        """Press a key of Review, which Qt leaves to the Segment Editor while something is edited."""
        keys = self._user.unfolded("Review").resultsTable.findChildren(qt.QShortcut)
        shortcut = self._user.chance.choice(sorted(keys, key=lambda item: item.key.toString()))
        self._user.log.append(shortcut.key.toString())
        if shortcut.enabled:
            shortcut.activated.emit()

    def _draw(self) -> None:
        """Draw a block of the first structure over everything that is there."""
        user = self._user
        node, nodes = user.node(), user.panel.scene.nodes
        if node is None or nodes.volume is None:
            return
        volume = nodes.volume
        self._editor().saveStateForUndo()
        made = self._block(volume)
        name = user.session.study.structures[0].name
        for segment_id, segment in segmentsOf(node):
            own = made * np.uint8(segment.GetName() == name)
            slicer.util.updateSegmentBinaryLabelmapFromArray(own, node, segment_id, volume)
        user.noteDrawing()

    def _undo(self) -> None:
        if self._user.node() is not None:
            self._editor().undo()
            self._user.noteDrawing()

    def _redo(self) -> None:
        if self._user.node() is not None:
            self._editor().redo()
            self._user.noteDrawing()

    def _useNNInteractive(self) -> None:
        """Draw in the module of nnInteractive, which edits what the Segment Editor edits, and return."""
        user = self._user
        user.press("Panel", "nnInteractiveButton")
        parameters = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        node = parameters and parameters.GetSegmentationNode()
        user.panel.exit()
        if node is not None:
            volume, segment = parameters.GetSourceVolumeNode(), parameters.GetSelectedSegmentID()
            slicer.util.updateSegmentBinaryLabelmapFromArray(self._block(volume), node, segment, volume)
        user.panel.enter()
        if node is not None:
            user.noteDrawing()

    def _block(self, volume: Any) -> np.ndarray:
        made = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
        corner = [self._user.chance.randrange(size - 1) for size in made.shape]
        made[tuple(slice(start, start + 6) for start in corner)] = 1
        return made

    def _editor(self) -> Any:
        return self._user.panel.ui.editorContainer.findChildren(slicer.qMRMLSegmentEditorWidget)[0]

    def _loadImage(self) -> None:
        addVolume(self._user.chance.choice(sorted((self._user.place / "files").glob("image*.nrrd"))), "mine")

    def _deleteVolume(self) -> None:
        nodes = self._user.panel.scene.nodes
        if nodes is not None and nodes.volume is not None:
            self._user.scene.RemoveNode(nodes.volume)

    def _closeScene(self) -> None:
        # Slicer itself asks before, and says that everything in it is lost.
        self._user.scene.Clear(0)
        self._user.drawn.clear()

    def _reopenScene(self) -> None:
        path, scene = self._user.place / "out" / "scene.mrb", self._user.scene
        path.unlink(missing_ok=True)
        assert scene.WriteToMRB(str(path))
        scene.Clear(0)
        assert scene.ReadFromMRB(str(path))

    def _reload(self) -> None:
        self._user.leave()
        self._user.start()

    def _leaveAndEnter(self) -> None:
        self._user.panel.exit()
        self._user.panel.enter()

    def _otherSlicer(self) -> None:
        study = self._user.session.study
        if study is None or not study.cases or not study.layout.exists():
            return
        other, case = Session(), self._user.chance.choice(study.cases)
        other.open_study(study.folder)
        other.edit_study(lambda current: assign_cases(current, [case.id], site="Elsewhere"))
        self._leaveAndEnter()

    def _inUse(self) -> None:
        """Do something to a study that another program is just changing."""
        study = self._user.session.study
        if study is None or not study.layout.exists():
            return
        with study_lock(study.folder):
            for section, name in (("Panel", "saveEditButton"), ("Review", "acceptButton")):
                self._user.press(section, name)

    def _move(self) -> None:
        """Rename the folder of a study, or move it into another folder, whatever goes on in it."""
        user = self._user
        name, old = user.chance.choice(sorted(user.studies.items()))
        self._moves += 1
        new = user.place / user.chance.choice((f"{name} {self._moves}", f"déjà/{name}{self._moves}"))
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
        user.studies[name] = new
        user.left[str(old)] = name

"""Stand-ins for Slicer's widgets that show nodes; the nodes and the scene are real."""

from __future__ import annotations

from typing import Any, ClassVar

from .properties import addSetters, stored
from .pyside import QtCore, QtWidgets, shiboken6


class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene; connections of the .ui file hand the scene on to its children."""

    standsForCpp = True
    mrmlSceneChanged = QtCore.Signal(object)
    cppSignals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Use another scene, None for no scene."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@addSetters
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A choice among the nodes of some classes, which follows the scene."""

    standsForCpp = True
    currentNodeChanged = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    cppSignals: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
    }
    nodeTypes = stored("QStringList", "nodeTypes", [])
    noneEnabled = stored(bool, "noneEnabled", False)
    noneDisplay = stored(str, "noneDisplay", "None")
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    renameEnabled = stored(bool, "renameEnabled", False)
    editEnabled = stored(bool, "editEnabled", False)
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True)
    showHidden = stored(bool, "showHidden", False)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene, self._current, self._tags = None, None, []
        self._box = QtWidgets.QComboBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._box.activated.connect(lambda index: self.setCurrentNodeID(self._box.itemData(index)))

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Offer the nodes of another scene."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._tags = [scene.AddObserver(event, lambda *_: self._refresh()) for event in events]
        self._refresh()

    def currentNode(self) -> Any:
        """The chosen node, None if there is none."""
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node; one that is not offered is no choice."""
        self._choose(node if node in self._nodes() else None)

    def setCurrentNodeID(self, nodeID: str) -> None:
        """Choose a node by its ID."""
        self.setCurrentNode(self._scene.GetNodeByID(nodeID) if nodeID else None)

    currentNodeID = QtCore.Property(
        str,
        lambda self: self._current.GetID() if self._current else "",
        lambda self, nodeID: self.setCurrentNodeID(nodeID),
    )

    def nodeCount(self) -> int:
        """How many nodes are offered."""
        return len(self._nodes())

    def _changed(self, name: str, value: Any) -> None:
        self._refresh()

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        shown = [node for node in nodes if self.showHidden or not node.GetHideFromEditors()]
        return [node for node in shown if any(self._fits(node, kind) for kind in self.nodeTypes)]

    def _fits(self, node: Any, kind: str) -> bool:
        return bool(node.IsA(kind)) if self.showChildNodeTypes else node.GetClassName() == kind

    def _refresh(self) -> None:
        if not shiboken6.isValid(self):
            return
        nodes = self._nodes()
        self._box.blockSignals(True)
        self._box.clear()
        if self.noneEnabled:
            self._box.addItem(self.noneDisplay, "")
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())
        self._box.blockSignals(False)
        kept = self._current if self._current in nodes else None
        self._choose(kept if kept or self.noneEnabled or not nodes else nodes[0])

    def _choose(self, node: Any) -> None:
        self._box.setCurrentIndex(self._box.findData(node.GetID() if node else ""))
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)

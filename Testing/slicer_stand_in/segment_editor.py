"""A stand-in for Slicer's Segment Editor widget: its nodes, its current segment and its undo, no effects that paint."""

from __future__ import annotations

from typing import Any, ClassVar

import slicer

from .properties import addSetters, stored
from .pyside import QtCore, QtGui, QtWidgets

_EFFECTS = ("Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Smoothing", "Scissors")


class Effect:
    """Stands for qSlicerSegmentEditorAbstractEffect."""

    def __init__(self, name: str) -> None:
        self.name = name


@addSetters
class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Keeps what it is told in a real segment editor node. A test paints by `updateSegmentBinaryLabelmapFromArray`."""

    standsForCpp = True
    segmentationNodeChanged = QtCore.Signal(object)
    cppSignals: ClassVar = {"segmentationNodeChanged(vtkMRMLSegmentationNode*)": "segmentationNodeChanged"}
    segmentationNodeSelectorVisible = stored(bool, "segmentationNodeSelectorVisible", True)
    sourceVolumeNodeSelectorVisible = stored(bool, "sourceVolumeNodeSelectorVisible", True)
    switchToSegmentationsButtonVisible = stored(bool, "switchToSegmentationsButtonVisible", True)
    autoShowSourceVolumeNode = stored(bool, "autoShowSourceVolumeNode", True)
    maximumNumberOfUndoStates = stored(int, "maximumNumberOfUndoStates", 0)
    readOnly = stored(bool, "readOnly", False)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene, self._parameters, self._effect = None, None, None
        self._history = slicer.vtkSegmentationHistory()
        self._shortcuts = self._viewsObserved = False
        self._segments = QtWidgets.QListWidget()
        self._segments.setMaximumHeight(90)
        self._segments.currentItemChanged.connect(self._choose)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._segments)
        grid = QtWidgets.QGridLayout()
        for index, name in enumerate(_EFFECTS):
            grid.addWidget(QtWidgets.QPushButton(name), index // 3, index % 3)
        column.addLayout(grid)

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Use another scene; it forgets its nodes, as Slicer's does."""
        if scene is not self._scene:
            self._scene, self._parameters = scene, None
            self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self) -> Any:
        """The node that keeps what is being edited."""
        return self._parameters

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        """Keep what is being edited in another node."""
        self._parameters = node
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        """The segmentation that is edited."""
        return self._parameters and self._parameters.GetSegmentationNode()

    def setSegmentationNode(self, node: Any) -> None:
        """Edit another segmentation."""
        self._needParameters()
        if node is not self.segmentationNode():
            self._history.SetSegmentation(node.GetSegmentation() if node else None)
        self._parameters.SetAndObserveSegmentationNode(node)
        self.updateWidgetFromMRML()
        self.segmentationNodeChanged.emit(node)

    def sourceVolumeNode(self) -> Any:
        """The image on which is edited."""
        return self._parameters and self._parameters.GetSourceVolumeNode()

    def setSourceVolumeNode(self, node: Any) -> None:
        """Edit on another image; needs a segmentation, which gets its geometry from the image if it has none."""
        self._needParameters()
        segmentation = self.segmentationNode()
        if segmentation is None:
            raise RuntimeError("Slicer's Segment Editor needs a segmentation before a source volume.")
        if node is not None and not segmentation.GetNodeReference(
            segmentation.GetReferenceImageGeometryReferenceRole()
        ):
            segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
        self._parameters.SetAndObserveSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        """The segment that is edited."""
        return (self._parameters and self._parameters.GetSelectedSegmentID()) or ""

    def setCurrentSegmentID(self, segmentID: str) -> None:
        """Edit another segment."""
        self._needParameters()
        self._parameters.SetSelectedSegmentID(segmentID)
        self.updateWidgetFromMRML()

    def availableEffectNames(self) -> list[str]:
        """The effects there are."""
        return list(_EFFECTS)

    def activeEffect(self) -> Any:
        """The effect in use, None if there is none."""
        return self._effect

    def setActiveEffectByName(self, name: str) -> None:
        """Use another effect, "" for none."""
        self._effect = Effect(name) if name in _EFFECTS else None

    def saveStateForUndo(self) -> None:
        """Remember the segmentation as it is."""
        self._history.SaveState()

    def undo(self) -> None:
        """Go back to what was remembered last."""
        self._history.RestorePreviousState()

    def redo(self) -> None:
        """Take an undo back."""
        self._history.RestoreNextState()

    def installKeyboardShortcuts(self) -> None:
        """Let keys choose effects."""
        self._shortcuts = True

    def uninstallKeyboardShortcuts(self) -> None:
        """Let keys alone."""
        self._shortcuts = False

    def setupViewObservations(self) -> None:
        """Follow the mouse in the views."""
        self._viewsObserved = True

    def removeViewObservations(self) -> None:
        """Follow the mouse no longer."""
        self._viewsObserved = False

    def updateWidgetFromMRML(self) -> None:
        """List the segments of the segmentation."""
        self._segments.blockSignals(True)
        self._segments.clear()
        node = self.segmentationNode()
        segmentation = node.GetSegmentation() if node else None
        for index in range(segmentation.GetNumberOfSegments() if segmentation else 0):
            segment = segmentation.GetNthSegment(index)
            picture = QtGui.QPixmap(12, 12)
            picture.fill(QtGui.QColor.fromRgbF(*segment.GetColor()))
            item = QtWidgets.QListWidgetItem(QtGui.QIcon(picture), segment.GetName())
            item.setData(QtCore.Qt.UserRole, segmentation.GetNthSegmentID(index))
            self._segments.addItem(item)
            if segmentation.GetNthSegmentID(index) == self.currentSegmentID():
                self._segments.setCurrentItem(item)
        self._segments.blockSignals(False)

    def _choose(self, item: Any, previous: Any = None) -> None:
        if item is not None:
            self._parameters.SetSelectedSegmentID(item.data(QtCore.Qt.UserRole))

    def _needParameters(self) -> None:
        if self._parameters is None:
            raise RuntimeError("Slicer's Segment Editor does nothing before setMRMLSegmentEditorNode.")

"""The Segment Editor of Slicer inside the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

if TYPE_CHECKING:
    import qt

_TAG = "SemiSupervisedSeg"


class SegmentEditor:
    """Puts Slicer's Segment Editor into a container.

    Args:
        container: A widget with a layout.

    Attributes:
        node: The segmentation that is being edited, None when nothing is.
    """

    def __init__(self, container: qt.QWidget) -> None:
        self._container = container
        self._editor: slicer.qMRMLSegmentEditorWidget | None = None
        self.node: slicer.vtkMRMLSegmentationNode | None = None

    @property
    def segmentId(self) -> str:
        """Id of the selected segment, empty when none is."""
        return "" if self._editor is None else self._editor.currentSegmentID()

    def prepare(self) -> None:
        """Make the editor now, which takes a moment, rather than when it is first needed."""
        if self._editor is None:
            self._editor = self._makeEditor()

    def edit(self, segmentation: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Edit a segmentation of a volume."""
        self.prepare()
        self._editor.setMRMLScene(slicer.mrmlScene)
        self._editor.setMRMLSegmentEditorNode(editorParameters(_TAG))
        self._editor.setSegmentationNode(segmentation)
        self._editor.setSourceVolumeNode(volume)
        self.node = segmentation
        self.activate()

    def release(self) -> None:
        """Stop editing; the segmentation stays as it is."""
        if self.node is not None:
            self.deactivate()
            # In this order: without a segmentation the editor complains when its volume leaves the scene.
            if self._editor.segmentationNode() is not None:
                self._editor.setSourceVolumeNode(None)
            self._editor.setSegmentationNode(None)
        self.node = None

    def activate(self) -> None:
        """Listen to mouse and keys while something is being edited: the panel is shown."""
        if self.node is not None:
            self._editor.setupViewObservations()
            self._editor.installKeyboardShortcuts()

    def deactivate(self) -> None:
        """Release mouse and keys to the displayed module."""
        if self._editor is not None:
            self._editor.setActiveEffectByName("")
            self._editor.uninstallKeyboardShortcuts()
            self._editor.removeViewObservations()

    def cleanup(self) -> None:
        """Disconnect from the scene."""
        self.release()
        if self._editor is not None:
            self._editor.setMRMLScene(None)

    def _makeEditor(self) -> slicer.qMRMLSegmentEditorWidget:
        editor = slicer.qMRMLSegmentEditorWidget()
        editor.setMaximumNumberOfUndoStates(10)
        # Which case is edited follows from the table.
        editor.setSegmentationNodeSelectorVisible(False)
        editor.setSourceVolumeNodeSelectorVisible(False)
        self._container.layout().addWidget(editor)
        return editor


def editorParameters(tag: str) -> slicer.vtkMRMLSegmentEditorNode:
    """Return the parameter node of the Segment Editors that share a tag, made if there is none."""
    node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node = slicer.mrmlScene.AddNode(node)
    return node

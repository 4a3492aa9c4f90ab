"""The extension nnInteractive, where it is installed: a segment is handed over to its module and taken back.

nnInteractive segments from clicks, scribbles and boxes, on a server or a graphics card.
"""

from __future__ import annotations

import slicer

from .segment_editor import editorParameters

# It shares the parameter node of Slicer's Segment Editor.
_MODULE, _TAG = "SlicerNNInteractive", "SegmentEditor"


def isInstalled() -> bool:
    """Return whether Slicer has the module of nnInteractive."""
    # Not by the module manager, which complains of a module that it does not have.
    return hasattr(slicer.modules, _MODULE.lower())


def handOver(
    segmentation: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode, segmentId: str
) -> None:
    """Let nnInteractive edit a segment over a volume, and show its module."""
    node = editorParameters(_TAG)
    node.SetAndObserveSegmentationNode(segmentation)
    node.SetAndObserveSourceVolumeNode(volume)
    node.SetSelectedSegmentID(segmentId)
    slicer.util.selectModule(_MODULE)


def takeBack() -> None:
    """Let nnInteractive edit nothing."""
    node = editorParameters(_TAG)
    # In this order: without a segmentation an editor complains when its volume leaves the scene.
    node.SetAndObserveSourceVolumeNode(None)
    node.SetAndObserveSegmentationNode(None)

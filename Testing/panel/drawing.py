"""What tests of the whole panel do in the scene and read from it."""

from __future__ import annotations

import numpy as np
import slicer

from SemiSupervisedSegLib.panel.widget import Panel


def paint(panel: Panel) -> None:
    """Draw a block of the first structure, as a user does in the Segment Editor."""
    node, volume = panel.scene.nodes.annotation, panel.scene.nodes.volume
    block = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    block[2:4, 3:6, 3:5] = 1
    segment = node.GetSegmentation().GetNthSegmentID(0)
    slicer.util.updateSegmentBinaryLabelmapFromArray(block, node, segment, volume)


def volumes() -> list[str]:
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    return [slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode").GetName() for index in range(count)]

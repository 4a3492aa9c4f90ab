"""Segmentations of the user that belong to other images, which would be seen over the image of the shown case."""

from __future__ import annotations

import slicer

from .tags import kindOf

_HIDDEN = "SemiSupervisedSeg.HiddenForReview"


def hideForeign(volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Hide the user's segmentations of other images than that of a node; one that was shown again since stays."""
    shown = None if volume is None else volume.GetID()
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        isForeign = kindOf(node) is None and (shown is None or node.GetNodeReferenceID(role) != shown)
        if isForeign and node.GetDisplayVisibility() and node.GetAttribute(_HIDDEN) is None:
            node.SetDisplayVisibility(False)
            node.SetAttribute(_HIDDEN, "1")


def showForeign() -> None:
    """Show again what `hideForeign` hid."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute(_HIDDEN) is not None:
            node.SetDisplayVisibility(True)
            node.RemoveAttribute(_HIDDEN)

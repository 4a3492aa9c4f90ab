"""Segmentations that the user made in the scene before there was a study."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from ...study.model import Structure
from .segments import segmentsOf
from .tags import kindOf

_CLASS = "vtkMRMLSegmentationNode"


def segmentationOf(
    volume: slicer.vtkMRMLScalarVolumeNode, structures: Sequence[Structure]
) -> slicer.vtkMRMLSegmentationNode | None:
    """Return the user's segmentation of a volume whose segments are some of these structures and no others.

    None when there is none, or more than one, so that the choice is never a guess.
    """
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNodeByClass(index, _CLASS) for index in range(scene.GetNumberOfNodesByClass(_CLASS))]
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    names = {structure.name.casefold() for structure in structures}
    candidates = [
        node
        for node in nodes
        if node.GetNodeReferenceID(role) == volume.GetID() and kindOf(node) is None and _names(node) <= names
    ]
    candidates = [node for node in candidates if _names(node)]
    return candidates[0] if len(candidates) == 1 else None


def _names(node: slicer.vtkMRMLSegmentationNode) -> set[str]:
    return {segment.GetName().strip().casefold() for _, segment in segmentsOf(node)}

"""What the user changed in the nodes of the panel, so that it is never thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import slicer
import vtk

from . import views
from .hierarchy import removeNode
from .segments import BINARY, segmentationFingerprint, segmentsOf
from .tags import (
    ANNOTATION,
    SEGMENTATIONS,
    caseOf,
    disown,
    isSourceGone,
    kindOf,
    savedFingerprint,
    setSavedFingerprint,
    setSource,
    sourceOf,
    studyOf,
    taggedNodes,
)
from .volumes import volumeFingerprint

_Times = tuple[object, ...]


class Changes:
    """Compares nodes with what was read or saved; quick while nothing was changed.

    A fingerprint of all voxels of a large image takes seconds, so it is only made when the times of modification say
    that a node may have changed, and when the scene is saved, because a scene keeps no such times.

    Args:
        fingerprintOfSource: Function that returns the fingerprint of the file that a node was read from, empty when it
            cannot be read.
    """

    def __init__(self, fingerprintOfSource: Callable[[slicer.vtkMRMLNode], str]) -> None:
        self._fingerprintOfSource = fingerprintOfSource
        self._asRead: dict[str, _Times] = {}
        self._fingerprints: dict[str, tuple[_Times, str]] = {}

    def noteRead(self, node: slicer.vtkMRMLNode) -> None:
        """Note that a node is as its file says."""
        self._asRead[node.GetID()] = _times(node)

    def setUnsaved(self, node: slicer.vtkMRMLNode) -> None:
        """Note that nothing of a node is on disk."""
        setSource(node, None, "")
        self._asRead.pop(node.GetID(), None)

    def fingerprint(self, node: slicer.vtkMRMLNode) -> str:
        """Return a short text that changes with the content of a node."""
        times = _times(node)
        cached = self._fingerprints.get(node.GetID())
        if cached is None or cached[0] != times:
            make = segmentationFingerprint if kindOf(node) in SEGMENTATIONS else volumeFingerprint
            cached = self._fingerprints[node.GetID()] = (times, make(node))
        return cached[1]

    def isChanged(self, node: slicer.vtkMRMLNode) -> bool:
        """Return whether a node differs from its last read or saved state, or is an annotation without its file."""
        if kindOf(node) == ANNOTATION and isSourceGone(node):
            return True
        if self._asRead.get(node.GetID()) == _times(node):
            return False
        if not savedFingerprint(node) and sourceOf(node) is not None:
            setSavedFingerprint(node, self._fingerprintOfSource(node))
        return self.fingerprint(node) != savedFingerprint(node)

    def rememberInScene(self) -> None:
        """Store what unchanged nodes contain in the nodes, so that a scene that is saved now knows it when loaded."""
        for node in taggedNodes():
            if not savedFingerprint(node) and not self.isChanged(node):
                setSavedFingerprint(node, self.fingerprint(node))

    def unsaved(self, butOf: tuple[str, str] | None = None) -> Iterator[tuple[str, str]]:
        """Yield study folder and case of all annotations with unsaved changes, but of one such pair."""
        for node in taggedNodes():
            place = (studyOf(node), caseOf(node))
            # What is being drawn changes with every stroke, and to compare it takes time.
            if kindOf(node) == ANNOTATION and place != butOf and self.isChanged(node):
                yield place

    def leave(self, nodes: list[slicer.vtkMRMLNode]) -> dict[str, slicer.vtkMRMLNode]:
        """Hide the changed ones of some nodes, return one of each kind to be used again, and remove the others."""
        spares: dict[str, slicer.vtkMRMLNode] = {}
        for node in nodes:
            if self._hideChanged(node):
                continue
            if _isUsedByUser(node) or spares.setdefault(kindOf(node), node) is not node:
                removeNode(node)
        return spares

    def removeOrHide(self, node: slicer.vtkMRMLNode) -> None:
        """Remove a node that is as it was read; hide a changed one.

        A changed annotation still belongs to its case; any other changed node becomes the user's own.
        """
        if not self._hideChanged(node):
            removeNode(node)

    def _hideChanged(self, node: slicer.vtkMRMLNode) -> bool:
        if not self.isChanged(node):
            return False
        hide(node)
        if kindOf(node) != ANNOTATION:
            disown(node)
        return True


def hide(node: slicer.vtkMRMLNode) -> None:
    """Take a node out of all views."""
    if node.IsA("vtkMRMLSegmentationNode"):
        node.SetDisplayVisibility(False)
    else:
        views.hideVolume(node)


def _isUsedByUser(node: slicer.vtkMRMLNode) -> bool:
    """Return whether a segmentation of the user is one of the image of a node."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    users = (other for other in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if kindOf(other) is None)
    return any(other.GetNodeReferenceID(role) == node.GetID() for other in users)


def _times(node: slicer.vtkMRMLNode) -> _Times:
    """Return what changes with the content of a node, and with nothing else that is done to it often."""
    if node.IsA("vtkMRMLSegmentationNode"):
        return (*map(_segmentTimes, (segment for _, segment in segmentsOf(node))), node.GetTransformNodeID())
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    places = [matrix.GetElement(row, column) for row in range(4) for column in range(4)]
    return (None if image is None else image.GetMTime(), *places, node.GetTransformNodeID())


def _segmentTimes(segment: slicer.vtkSegment) -> _Times:
    image = segment.GetRepresentation(BINARY)
    return segment.GetName(), segment.GetLabelValue(), None if image is None else image.GetMTime()

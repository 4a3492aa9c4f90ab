"""What the user changed in the nodes of the panel, so that it is never thrown away."""

from __future__ import annotations

import slicer

from . import views
from .hierarchy import removeNode
from .segments import segmentationFingerprint, segmentsOf
from .tags import ANNOTATION, SEGMENTATIONS, disown, isSourceGone, kindOf, savedFingerprint
from .volumes import volumeFingerprint


class Changes:
    """Compares nodes with what was read or saved; asking again is quick while nothing was changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, tuple[int | str | None, ...]], str]] = {}

    def fingerprint(self, node: slicer.vtkMRMLNode) -> str:
        """Return a short text that changes with the content of a node."""
        if kindOf(node) not in SEGMENTATIONS:
            return volumeFingerprint(node)
        key = (id(node), _modified(node))
        cached = self._known.get(node.GetID())
        if cached is None or cached[0] != key:
            cached = self._known[node.GetID()] = (key, segmentationFingerprint(node))
        return cached[1]

    def isChanged(self, node: slicer.vtkMRMLNode) -> bool:
        """Return whether a node differs from its last read or saved state, or is an annotation without its file."""
        if kindOf(node) == ANNOTATION and isSourceGone(node):
            return True
        return self.fingerprint(node) != savedFingerprint(node)

    def removeOrHide(self, node: slicer.vtkMRMLNode) -> None:
        """Remove a node that is as it was read; hide a changed one.

        A changed annotation still belongs to its case; any other changed node becomes the user's own.
        """
        if not self.isChanged(node):
            removeNode(node)
            return
        hide(node)
        if kindOf(node) != ANNOTATION:
            disown(node)


def hide(node: slicer.vtkMRMLNode) -> None:
    """Take a node out of all views."""
    if node.IsA("vtkMRMLSegmentationNode"):
        node.SetDisplayVisibility(False)
    else:
        views.hideVolume(node)


def _modified(node: slicer.vtkMRMLSegmentationNode) -> tuple[int | str | None, ...]:
    segmentation = node.GetSegmentation()
    times = [segmentation.GetMTime()]
    for _, segment in segmentsOf(node):
        times.append(segment.GetMTime())
        names = _representations(segment)
        times += [segment.GetRepresentation(name).GetMTime() for name in names]
    return (*times, node.GetTransformNodeID())


def _representations(segment: slicer.vtkSegment) -> list[str]:
    names: list[str] = []
    segment.GetContainedRepresentationNames(names)
    return names

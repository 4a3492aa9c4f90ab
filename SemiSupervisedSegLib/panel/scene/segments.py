"""Segmentation nodes from class maps: structures as segments, identified by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import slicer
import vtk

from ...study.model import MAX_LABEL, Structure
from ..logic.case_files import FileContent
from .geometry import orientedImage, voxels

_TERMINOLOGY = slicer.vtkSegment.GetTerminologyEntryTagName()
BINARY = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
# Files of Slicer round.
_COLOR_TOLERANCE = 1 / 512
_MADE_SURFACE = "SemiSupervisedSeg.Surface"
SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


def connectSelector(selector: slicer.qMRMLNodeComboBox) -> None:
    """Connect a selector with the segmentations of the scene."""
    selector.setMRMLScene(slicer.mrmlScene)


def segmentsOf(node: slicer.vtkMRMLSegmentationNode) -> list[tuple[str, slicer.vtkSegment]]:
    """Return the ids and segments of a segmentation node in their order."""
    segmentation = node.GetSegmentation()
    count = segmentation.GetNumberOfSegments()
    return [(segmentation.GetNthSegmentID(index), segmentation.GetNthSegment(index)) for index in range(count)]


def terminologyOf(segment: slicer.vtkSegment) -> str | None:
    """Return the terminology entry that a segment carries."""
    value = vtk.reference("")
    return (str(value) or None) if segment.GetTag(_TERMINOLOGY, value) else None


def structuresFromSegmentation(node: slicer.vtkMRMLSegmentationNode) -> tuple[Structure, ...]:
    """Return the structures that the segments of a segmentation node represent, in their order.

    The label values are those of the segments where they are distinct, else 1 to N.
    """
    segments = [segment for _, segment in segmentsOf(node)]
    labels = [segment.GetLabelValue() for segment in segments]
    distinct = len(set(labels)) == len(labels) and all(1 <= label <= MAX_LABEL for label in labels)
    return tuple(
        Structure(
            name=segment.GetName().strip(),
            label=segment.GetLabelValue() if distinct else number,
            color=tuple(round(255 * part) for part in segment.GetColor()),
            terminology=terminologyOf(segment),
        )
        for number, segment in enumerate(segments, 1)
    )


def addStructures(node: slicer.vtkMRMLSegmentationNode, structures: Sequence[Structure]) -> None:
    """Add an empty segment for every structure that a segmentation node lacks."""
    present = {_key(segment) for _, segment in segmentsOf(node)}
    for number, structure in enumerate(structures, 1):
        if structure.name.casefold() not in present:
            _addSegment(node, number, structure)


def setLabels(node: slicer.vtkMRMLSegmentationNode, content: FileContent, structures: Sequence[Structure]) -> None:
    """Show label values of a file in a segmentation node, in place of what its segments had.

    Segments are found by name and made where they are missing. Terminology of the file is for structures that have
    none in the study.
    """
    # All segments share one image, as Slicer itself stores segments that do not overlap.
    shared = orientedImage(content.values, content.geometry)
    segmentation = node.GetSegmentation()
    hadSurface = segmentation.ContainsRepresentation(SURFACE)
    addStructures(node, structures)
    byName = {_key(segment): segment for _, segment in segmentsOf(node)}
    for structure in structures:
        segment = byName[structure.name.casefold()]
        segment.RemoveAllRepresentations()
        segment.SetLabelValue(structure.label)
        segment.AddRepresentation(BINARY, shared)
        entry = structure.terminology or content.terminology.get(structure.name.casefold())
        if entry:
            segment.SetTag(_TERMINOLOGY, entry)
    segmentation.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
    if hadSurface:
        node.CreateClosedSurfaceRepresentation()
    segmentation.Modified()


def showSurface(node: slicer.vtkMRMLSegmentationNode, isShown: bool) -> bool:
    """Show the segments as surfaces in the 3D views, or remove the surfaces that were made for that.

    Surfaces that somebody else made stay. Returns whether surfaces were made now.
    """
    has = node.GetSegmentation().ContainsRepresentation(SURFACE)
    if isShown and not has:
        node.CreateClosedSurfaceRepresentation()
        node.SetAttribute(_MADE_SURFACE, "1")
        return True
    if not isShown and has and node.GetAttribute(_MADE_SURFACE):
        node.RemoveClosedSurfaceRepresentation()
        node.RemoveAttribute(_MADE_SURFACE)
    return False


def followStructures(node: slicer.vtkMRMLSegmentationNode, structures: Sequence[Structure]) -> None:
    """Give the segments of a node the colours and the terminology that their structures have now."""
    byName = {structure.name.casefold(): structure for structure in structures}
    for _, segment in segmentsOf(node):
        structure = byName.get(_key(segment))
        if structure is None:
            continue
        color = tuple(part / 255 for part in structure.color)
        if max(abs(one - other) for one, other in zip(segment.GetColor(), color, strict=True)) > _COLOR_TOLERANCE:
            segment.SetColor(*color)
        if structure.terminology and terminologyOf(segment) != structure.terminology:
            segment.SetTag(_TERMINOLOGY, structure.terminology)


def makeFresh(node: slicer.vtkMRMLSegmentationNode, structures: Sequence[Structure]) -> None:
    """Make a segmentation node that showed another case as if it were new, to show this one in it."""
    segmentation = node.GetSegmentation()
    segmentation.RemoveRepresentation(SURFACE)
    byName = {structure.name.casefold(): structure for structure in structures}
    display = node.GetDisplayNode()
    for segmentId, segment in segmentsOf(node):
        structure = byName.get(_key(segment))
        if structure is None:
            segmentation.RemoveSegment(segmentId)
        else:
            _setStructure(segment, structure)
            display.SetSegmentVisibility(segmentId, True)


def segmentationFingerprint(node: slicer.vtkMRMLSegmentationNode) -> str:
    """Return a short text that changes with names and voxels of non-empty segments, and with a transform."""
    digest = hashlib.blake2b(digest_size=16)
    for _, segment in sorted(segmentsOf(node), key=lambda item: item[1].GetName()):
        for part in _content(segment):
            digest.update(part)
    if node.GetTransformNodeID():
        digest.update(b"moved")
    return digest.hexdigest()


def _key(segment: slicer.vtkSegment) -> str:
    return segment.GetName().strip().casefold()


def _content(segment: slicer.vtkSegment) -> list[bytes]:
    image = segment.GetRepresentation(BINARY)
    if image is None or image.GetPointData().GetScalars() is None:
        return []
    inside = voxels(image) == segment.GetLabelValue()
    box = [np.flatnonzero(inside.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    if not len(box[0]):
        return []
    cut = inside[tuple(slice(found[0], found[-1] + 1) for found in box)]
    # The same voxels may lie in a smaller or larger image after editing or saving.
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    extent = image.GetExtent()
    start = [float(extent[2 * axis] + box[2 - axis][0]) for axis in range(3)]
    place = np.round(matrix.MultiplyPoint((*start, 1.0))[:3], 2) + 0.0
    return [segment.GetName().encode(), place.tobytes(), str(cut.shape).encode(), np.packbits(cut).tobytes()]


def _addSegment(node: slicer.vtkMRMLSegmentationNode, number: int, structure: Structure) -> None:
    segment = slicer.vtkSegment()
    _setStructure(segment, structure)
    segmentation = node.GetSegmentation()
    segmentation.AddSegment(segment, segmentation.GenerateUniqueSegmentID(f"Segment_{number}"))


def _setStructure(segment: slicer.vtkSegment, structure: Structure) -> None:
    segment.SetName(structure.name)
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*(part / 255 for part in structure.color))
    segment.SetColorAutoGenerated(False)
    segment.SetLabelValue(structure.label)
    if structure.terminology:
        segment.SetTag(_TERMINOLOGY, structure.terminology)
    elif terminologyOf(segment):
        segment.RemoveTag(_TERMINOLOGY)

"""Segmentation nodes into annotation files: by name, on the image's own grid, with overlaps reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from ...study.annotations import not_a_structure, write_segmentation
from ...study.errors import UserError
from ...study.geometry import Geometry
from ...study.images import image_geometry
from ...study.model import Structure
from ..logic.axes import back_to_grid, empty_image, right_handed
from .geometry import orientedImage, voxels
from .segments import BINARY, segmentsOf, terminologyOf


def exportSegmentation(
    node: slicer.vtkMRMLSegmentationNode,
    structures: Sequence[Structure],
    image: Path | str,
    target: Path | str,
    volume: slicer.vtkMRMLScalarVolumeNode | None = None,
) -> sitk.Image:
    """Write a segmentation node as .seg.nrrd on the grid of an image file and return its class map.

    The node stays as it is.

    Args:
        node: Segmentation whose segments are named like the structures, in any order; empty segments are ignored.
        structures: Structures of the study.
        image: Path of the annotated image file or DICOM series folder.
        target: Path of the annotation; it is replaced completely or not at all.
        volume: Node that shows the image, needed when it may be under a transform.

    Raises:
        UserError: Segments overlap, have names that no structure has or the same name, all are empty, or the file
            cannot be written.
    """
    classMap = classMapOf(node, structures, image_geometry(image), volume)
    entries = {segment.GetName().strip().casefold(): terminologyOf(segment) for _, segment in segmentsOf(node)}
    written = [
        dataclasses.replace(structure, terminology=entries.get(structure.name.casefold()) or structure.terminology)
        for structure in structures
    ]
    write_segmentation(target, classMap, written)
    return classMap


def classMapOf(
    node: slicer.vtkMRMLSegmentationNode,
    structures: Sequence[Structure],
    geometry: Geometry,
    volume: slicer.vtkMRMLScalarVolumeNode | None = None,
) -> sitk.Image:
    """Return the segments of a node as uint8 class map on a grid; raises UserError as `exportSegmentation`."""
    right = right_handed(empty_image(geometry))
    reference = orientedImage(sitk.GetArrayViewFromImage(right), Geometry.of(right))
    transform = _transform(node, volume)
    source = node if node.GetSegmentation().ContainsRepresentation(BINARY) else _asLabelmaps(node, reference)
    byName = {structure.name.casefold(): index for index, structure in enumerate(structures, 1)}
    classes = np.zeros(right.GetSize()[::-1], dtype=np.uint8)
    seen = set()
    for segmentId, segment in segmentsOf(node):
        inside = _mask(source, segmentId, reference, transform)
        if inside is None:
            continue
        name = segment.GetName().strip()
        index = byName.get(name.casefold())
        _checkName(name, index, seen, structures)
        seen.add(index)
        _checkOverlap(name, classes[inside], structures)
        classes[inside] = index
    if not seen:
        raise UserError("The annotation is empty.", "Annotate at least one structure before saving.")
    result = sitk.GetImageFromArray(classes)
    result.CopyInformation(right)
    return back_to_grid(result, geometry)


def _transform(
    node: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode | None
) -> vtk.vtkGeneralTransform | None:
    """Return the transform from the segments' space to the image's, None when they are the same."""
    source = node.GetParentTransformNode()
    target = None if volume is None else volume.GetParentTransformNode()
    if source is target:
        return None
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    return transform


def _asLabelmaps(
    node: slicer.vtkMRMLSegmentationNode, reference: slicer.vtkOrientedImageData
) -> slicer.vtkMRMLSegmentationNode:
    """Return a copy of a segmentation of surfaces as labelmaps on the reference's grid."""
    copy = slicer.vtkMRMLSegmentationNode()
    segmentation = copy.GetSegmentation()
    segmentation.DeepCopy(node.GetSegmentation())
    converter = slicer.vtkSegmentationConverter
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(reference)
    )
    segmentation.CreateRepresentation(BINARY)
    return copy


def _mask(
    node: slicer.vtkMRMLSegmentationNode,
    segmentId: str,
    reference: slicer.vtkOrientedImageData,
    transform: vtk.vtkGeneralTransform | None,
) -> np.ndarray | None:
    """Return the mask of a segment (z, y, x) on the reference's grid, None for an empty one."""
    labelmap = slicer.vtkOrientedImageData()
    if not node.GetBinaryLabelmapRepresentation(segmentId, labelmap) or labelmap.IsEmpty():
        return None
    resampled = slicer.vtkOrientedImageData()
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if not resample(labelmap, reference, resampled, False, False, transform):
        raise UserError(
            f"The segment {node.GetSegmentation().GetSegment(segmentId).GetName()!r} could not be brought onto the "
            "grid of the image.",
            "Set the image as source geometry of the segmentation in the Segmentations module.",
        )
    inside = voxels(resampled) > 0
    return inside if inside.any() else None


def _checkName(name: str, index: int | None, seen: set[int], structures: Sequence[Structure]) -> None:
    if index is None:
        raise not_a_structure(f"The segment {name!r} is no structure of the study.", structures)
    if index in seen:
        raise UserError(f"There are two segments named {name!r}.", "Rename or join them.")


def _checkOverlap(name: str, taken: np.ndarray, structures: Sequence[Structure]) -> None:
    count = np.count_nonzero(taken)
    if count:
        other = structures[int(np.bincount(taken[taken > 0]).argmax()) - 1].name
        places = "1 voxel" if count == 1 else f"{count} voxels"
        raise UserError(
            f"The segments {name!r} and {other!r} overlap in {places}.",
            "Erase one of them there; every voxel can belong to one structure only.",
        )

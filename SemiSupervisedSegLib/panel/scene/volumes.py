"""Volumes of the scene: from the files of a study, and out of the scene into files."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from ...study.errors import UserError
from ...study.images import write_image
from ..logic.case_files import FileContent, FileRequest, read_content
from ..logic.dicom_source import ATTRIBUTE
from .geometry import ijkToRas, imageData, imageOfVolume
from .hierarchy import removeNode
from .modifying import modifiedOnce
from .tags import kindOf

_ORTHOGONAL = 1e-3


def addVolume(path: Path, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Return a new volume node with an image file or DICOM series folder; raises UserError if unreadable.

    The reader is that of the study, so that the scene shows what a training sees.
    """
    content = read_content(FileRequest("image", str(path)))
    node = emptyVolume(name)
    setVolume(node, content)
    return node


def emptyVolume(name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Return a new volume node with a display node and no image."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    return node


def setVolume(node: slicer.vtkMRMLScalarVolumeNode, content: FileContent) -> None:
    """Put the content of a file into a volume node in place of what it had."""
    display = node.GetDisplayNode()
    if content.window is not None and display is not None:
        with modifiedOnce(display):
            # Slicer would look at every voxel for it.
            display.SetAutoWindowLevel(False)
            display.SetWindowLevelMinMax(*content.window)
    with modifiedOnce(node):
        node.SetIJKToRASMatrix(ijkToRas(content.geometry))
        node.SetAndObserveImageData(imageData(content.values))
    if content.uids:
        node.SetAttribute(ATTRIBUTE, " ".join(content.uids))
    else:
        node.RemoveAttribute(ATTRIBUTE)


def metadataOf(node: slicer.vtkMRMLScalarVolumeNode) -> dict[str, str]:
    """Return the header entries that link an exported volume to the DICOM database."""
    uids = node.GetAttribute(ATTRIBUTE)
    return {ATTRIBUTE: uids} if uids else {}


def exportVolume(node: slicer.vtkMRMLScalarVolumeNode, path: Path | str) -> None:
    """Write a volume node as compressed NRRD with its transforms applied; the node stays as it is.

    A linear transform moves the grid and keeps every voxel; another one resamples. What a DICOM export needs to find
    the scan again goes into the header. Raises UserError for volumes that a study cannot have, or a failed write.
    """
    if node.GetImageData() is None or node.GetImageData().GetNumberOfScalarComponents() != 1:
        raise UserError(
            f"The volume {node.GetName()} does not have one grey value per voxel.", "Choose a grey-scale volume."
        )
    with _hardened(node) as volume:
        image = imageOfVolume(volume)
    _checkAxes(node.GetName(), image)
    for key, value in metadataOf(node).items():
        image.SetMetaData(key, value)
    write_image(path, image)


def sceneVolumes() -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Return the user's grey-scale volumes, without label maps and the panel's nodes."""
    className = "vtkMRMLScalarVolumeNode"
    return [
        node
        for node in slicer.util.getNodesByClass(className)
        if node.GetClassName() == className
        and kindOf(node) is None
        and node.GetImageData() is not None
        and not node.GetHideFromEditors()
    ]


def nameOf(node: slicer.vtkMRMLNode) -> str:
    """Return the name of a node as the user knows it."""
    return node.GetName()


def volumeFingerprint(node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Return a short text that changes with the voxels, the grid and the transform of a volume node."""
    if node.GetImageData() is None:
        return ""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    # Text formats of scenes and files round.
    place = np.round(slicer.util.arrayFromVTKMatrix(matrix), 3) + 0.0
    content = zlib.crc32(np.ascontiguousarray(slicer.util.arrayFromVolume(node)))
    moved = "moved" if node.GetTransformNodeID() else ""
    return f"{content:08x}{zlib.crc32(place.tobytes()):08x}{moved}"


@contextlib.contextmanager
def _hardened(node: slicer.vtkMRMLScalarVolumeNode) -> Iterator[slicer.vtkMRMLScalarVolumeNode]:
    """Yield the node, or while the block runs a copy of it with its transform applied."""
    if node.GetParentTransformNode() is None:
        yield node
        return
    copy = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, node, node.GetName())
    try:
        copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
        if not copy.HardenTransform():
            raise UserError(
                f"The transform of {node.GetName()} could not be applied.", "Apply it in the Transforms module."
            )
        yield copy
    finally:
        removeNode(copy)


def _checkAxes(name: str, image: sitk.Image) -> None:
    axes = np.array(image.GetDirection()).reshape(3, 3)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=_ORTHOGONAL):
        raise UserError(
            f"The axes of the volume {name} are not at right angles.",
            "Resample it to a regular grid first, for example with the module Resample Scalar Volume.",
        )

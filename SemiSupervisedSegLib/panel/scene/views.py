"""Slice views: which volumes they show, how they are turned, and the two side by side."""

from __future__ import annotations

import contextlib
from typing import Literal

import numpy as np
import qt
import slicer
import vtk

from .modifying import modifiedOnce

Layout = Literal["overlaid", "side_by_side"]
OVERLAID, SIDE_BY_SIDE = "overlaid", "side_by_side"
# Slicer's own layout with two slice views has these, left and right.
LEFT, RIGHT = "vtkMRMLSliceNodeRed", "vtkMRMLSliceNodeYellow"

_BEFORE = "SemiSupervisedSeg.Before"
_ORIENTATIONS = ("Sagittal", "Coronal", "Axial")


def showVolume(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a volume in all slice views, turned into its planes and fitted."""
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=None)
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.RotateToVolumePlane(volume)
    _fit()


def movedOnce() -> contextlib.AbstractContextManager[None]:
    """Return a context in which the slice views move without following every step."""
    return modifiedOnce(*slicer.util.getNodesByClass("vtkMRMLSliceNode"))


def isShown(volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether any slice view shows a volume as its image."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return any(node.GetBackgroundVolumeID() == volume.GetID() for node in composites)


def showHeatmap(volume: slicer.vtkMRMLScalarVolumeNode | None, opacity: float) -> None:
    """Show a volume over the image in all slice views, None to show none."""
    slicer.util.setSliceViewerLayers(foreground=volume, foregroundOpacity=opacity)


def hideVolume(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Take a volume out of all slice views."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if node.GetBackgroundVolumeID() == volume.GetID():
            node.SetBackgroundVolumeID(None)
        if node.GetForegroundVolumeID() == volume.GetID():
            node.SetForegroundVolumeID(None)


def currentLayout() -> Layout:
    """Return which of the two layouts is active; all but Slicer's side by side count as overlaid."""
    node = _layoutNode()
    side = slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    return SIDE_BY_SIDE if node is not None and node.GetViewArrangement() == side else OVERLAID


def applyLayout(layout: Layout, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Switch to a layout; leaving the side-by-side one brings back the layout and planes that were there before."""
    node = _layoutNode()
    if node is None:
        return
    place = _place()
    if layout == SIDE_BY_SIDE:
        if currentLayout() != SIDE_BY_SIDE:
            node.SetAttribute(_BEFORE, str(node.GetViewArrangement()))
            node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
        _turnAlike(volume)
    elif currentLayout() == SIDE_BY_SIDE:
        before = node.GetAttribute(_BEFORE) or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        node.SetViewArrangement(int(before))
        _turnBack(volume)
    _stayAt(place)
    # Views have their new sizes only after Slicer has laid them out.
    qt.QTimer.singleShot(0, lambda: _fitAt(place))


def jumpTo(place: tuple[float, ...]) -> None:
    """Move all slice views through a point (RAS, mm)."""
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        view.JumpSliceByOffsetting(*place)


def rememberLayout(name: str) -> None:
    """Store the present layout under a name, unless one is stored already."""
    node = _layoutNode()
    if node is not None and node.GetAttribute(name) is None:
        node.SetAttribute(name, str(node.GetViewArrangement()))


def restoreLayout(name: str) -> None:
    """Restore the layout that was stored under a name, and remove it."""
    node = _layoutNode()
    if node is not None and node.GetAttribute(name) is not None:
        node.SetViewArrangement(int(node.GetAttribute(name)))
        node.RemoveAttribute(name)


def showOnlyIn(display: slicer.vtkMRMLDisplayNode, viewId: str | None) -> None:
    """Show a display node in one view only, None for all."""
    display.RemoveAllViewNodeIDs()
    if viewId is not None:
        display.AddViewNodeID(viewId)


def acquiredPlane(volume: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Return the name of a volume's acquisition plane: perpendicular to its thickest voxel side."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    axes = slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    thick = axes[:, lengths.argmax()] if lengths.max() > 1.01 * np.median(lengths) else axes[:, 2]
    return _ORIENTATIONS[int(np.abs(thick).argmax())]


def _place() -> tuple[float, ...] | None:
    """Return the centre in mm of the slice in the left view, so that a change of the layout stays there."""
    node = slicer.mrmlScene.GetNodeByID(LEFT)
    if node is None:
        return None
    return tuple(node.GetSliceToRAS().GetElement(row, 3) for row in range(3))


def _fitAt(place: tuple[float, ...] | None) -> None:
    _fit()
    _stayAt(place)


def _stayAt(place: tuple[float, ...] | None) -> None:
    if place is not None:
        jumpTo(place)


def _fit() -> None:
    """Fit all slice views to their volumes and put them onto a slice near the middle."""
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for index in range(logics.GetNumberOfItems()):
        logic = logics.GetItemAsObject(index)
        logic.FitSliceToBackground()
        logic.SnapSliceOffsetToIJK()


def _turnAlike(volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    # Both predictions in the same plane, the one in which the image is sharp.
    plane = "Axial" if volume is None else acquiredPlane(volume)
    for viewId in (LEFT, RIGHT):
        node = slicer.mrmlScene.GetNodeByID(viewId)
        if node is None:
            continue
        if node.GetAttribute(_BEFORE) is None:
            node.SetAttribute(_BEFORE, node.GetDefaultOrientation())
        node.SetOrientation(plane)
        if volume is not None:
            node.RotateToVolumePlane(volume)
    _fit()
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        node.SetAttribute(_BEFORE, str(node.GetLinkedControl()))
        node.SetLinkedControl(True)
        node.SetHotLinkedControl(True)


def _turnBack(volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    for viewId in (LEFT, RIGHT):
        node = slicer.mrmlScene.GetNodeByID(viewId)
        if node is None or node.GetAttribute(_BEFORE) is None:
            continue
        node.SetOrientation(node.GetAttribute(_BEFORE))
        node.RemoveAttribute(_BEFORE)
        if volume is not None:
            node.RotateToVolumePlane(volume)
    _fit()
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if node.GetAttribute(_BEFORE) is not None:
            node.SetLinkedControl(int(node.GetAttribute(_BEFORE)))
            node.SetHotLinkedControl(int(node.GetAttribute(_BEFORE)))
            node.RemoveAttribute(_BEFORE)


def _layoutNode() -> slicer.vtkMRMLLayoutNode | None:
    return next(iter(slicer.util.getNodesByClass("vtkMRMLLayoutNode")), None)

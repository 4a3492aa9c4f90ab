"""Display styles of annotations, predictions and heatmaps: one hue per structure, one kind of line per source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from ..services import Color
from .segments import segmentsOf
from .tags import ANNOTATION, FINAL, PROTOTYPE

_LIGHTER = 0.25
# Below this value a heatmap is transparent, so that the image is seen.
_THRESHOLD = 0.1
# From dark to light, so that the order is seen without telling hues apart.
_HEAT_COLORS = ((0.45, 0.0, 0.55), (0.9, 0.25, 0.2), (1.0, 0.75, 0.1), (1.0, 1.0, 0.75))
_HEAT_TAG = "SemiSupervisedSegHeat"


@dataclass(frozen=True)
class Style:
    """A segmentation in slice views: outline in pixels or none, opacity of the fill or none, lighter colours or not."""

    outline: int
    fill: float
    light: bool = False


# Where the outline of the final and the fill of the prototype-based prediction part, the two disagree.
STYLES = {FINAL: Style(3, 0.0), PROTOTYPE: Style(0, 0.35), ANNOTATION: Style(2, 0.0, light=True)}
EDITING = Style(1, 0.25)


def applyStyle(node: slicer.vtkMRMLSegmentationNode, style: Style) -> None:
    """Style a segmentation node; its visibility stays."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    before = display.StartModify()
    display.SetVisibility2DOutline(style.outline > 0)
    display.SetVisibility2DFill(style.fill > 0)
    display.SetOpacity2DOutline(1.0)
    display.SetOpacity2DFill(style.fill)
    display.SetSliceIntersectionThickness(max(style.outline, 1))
    for segmentId, segment in segmentsOf(node):
        if style.light:
            display.SetSegmentOverrideColor(segmentId, *_lighter(segment.GetColor()))
        else:
            display.UnsetSegmentOverrideColor(segmentId)
    display.EndModify(before)


def legendColor(kind: str, color: Color) -> Color:
    """Return the displayed colour (0 to 255) of a structure in the segmentation of a kind, for a legend."""
    if not STYLES[kind].light:
        return color
    red, green, blue = (round(255 * part) for part in _lighter([part / 255 for part in color]))
    return red, green, blue


def heatColor(value: float) -> Color:
    """Return the colour of a value from 0 to 1 in heatmaps, for a scale beside the views."""
    positions = np.linspace(0, 1, len(_HEAT_COLORS))
    red, green, blue = (
        round(255 * float(np.interp(value, positions, part))) for part in zip(*_HEAT_COLORS, strict=True)
    )
    return red, green, blue


def applyHeatmapStyle(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a map of values from 0 to 1 in warm colours, and nothing where the values are low."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    before = display.StartModify()
    display.SetAndObserveColorNodeID(_heatColors().GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, 1.0)
    # Slicer rounds the threshold to the type of the voxels, and a mask would be seen everywhere.
    isMask = node.GetImageData().GetScalarType() not in (vtk.VTK_FLOAT, vtk.VTK_DOUBLE)
    display.SetThreshold(1.0 if isMask else _THRESHOLD, 1.0)
    display.SetApplyThreshold(True)
    display.SetInterpolate(True)
    display.EndModify(before)


def _lighter(color: Sequence[float]) -> list[float]:
    return [part + _LIGHTER * (1 - part) for part in color]


def _heatColors() -> slicer.vtkMRMLColorTableNode:
    """Return the colour table of heatmaps, whose name differs between builds of Slicer."""
    node = slicer.mrmlScene.GetSingletonNode(_HEAT_TAG, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName("Heatmap")
    node.SetSingletonTag(_HEAT_TAG)
    node.SetHideFromEditors(True)
    node.SetNumberOfColors(256)
    positions = np.linspace(0, 1, 256)
    parts = [
        np.interp(positions, np.linspace(0, 1, len(_HEAT_COLORS)), part) for part in zip(*_HEAT_COLORS, strict=True)
    ]
    for index, color in enumerate(zip(*parts, strict=True)):
        node.SetColor(index, f"{index / 255:.2f}", *color, 1.0)
    return slicer.mrmlScene.AddNode(node)

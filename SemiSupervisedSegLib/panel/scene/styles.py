"""How annotations, predictions and heatmaps look: a structure keeps one hue, the kind of line says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer

from .segments import segmentsOf
from .tags import ANNOTATION, FINAL, PROTOTYPE

_LIGHTER = 0.55
# Below this part of the range a heatmap is transparent, so that the image is seen.
_THRESHOLD = 0.1
_HEAT_COLORS = "vtkMRMLColorTableNodeIron"


@dataclass(frozen=True)
class Style:
    """A segmentation in slice views: outline in pixels or none, opacity of the fill or none, lighter colours or not."""

    outline: int
    fill: float
    light: bool = False


# Where the outline of the final and the fill of the prototype-based prediction part, the two disagree.
STYLES = {FINAL: Style(3, 0.0), PROTOTYPE: Style(0, 0.35), ANNOTATION: Style(1, 0.0, light=True)}
EDITING = Style(1, 0.25)


def applyStyle(node: Any, style: Style) -> None:
    """Give a segmentation node a look; whether it is visible stays."""
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
            display.SetSegmentOverrideColor(segmentId, *(part + _LIGHTER * (1 - part) for part in segment.GetColor()))
        else:
            display.UnsetSegmentOverrideColor(segmentId)
    display.EndModify(before)


def applyHeatmapStyle(node: Any) -> None:
    """Show a map of values from 0 to 1 in warm colours, and nothing where the values are low."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    before = display.StartModify()
    if slicer.mrmlScene.GetNodeByID(_HEAT_COLORS) is not None:
        display.SetAndObserveColorNodeID(_HEAT_COLORS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetThreshold(_THRESHOLD, 1.0)
    display.SetApplyThreshold(True)
    display.SetInterpolate(True)
    display.EndModify(before)

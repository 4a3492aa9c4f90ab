"""The curves of a training in Slicer's plot view: the losses, and the Dice of the validation cases by structure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ...study.structures import default_color
from ..services import Color
from . import views

_ATTRIBUTE = "SemiSupervisedSeg.Curves"
_LOSSES, _DICE, _CHART = "losses", "dice", "chart"
_NAMES = {_LOSSES: "Training losses", _DICE: "Validation Dice", _CHART: "Training"}
_STEP = "step"
_LAYOUT_BEFORE = "SemiSupervisedSeg.BeforeCurves"
# The legend lies in the plot, and shall lie over no curve.
_LEGEND_FONT_SIZE = 9
_HEADROOM = 1.5
# Okabe and Ito's colours, for any colour vision; paler than the structures' curves because they are thin and dashed.
_LOSS_COLORS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (0, 114, 178), (213, 94, 0))


class TrainingCurves:
    """Two tables with a row a step and a chart of all their columns; found in the scene again after a reload.

    The nodes are hidden from the lists of Slicer and not saved: they are made again from the files of a round.
    """

    def clear(self) -> None:
        """Remove all curves from the scene."""
        for className in ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"):
            for node in _own(className):
                slicer.mrmlScene.RemoveNode(node)

    def addStep(self, step: int, losses: Mapping[str, float]) -> None:
        """Add the losses of a step, by name."""
        count = len(_LOSS_COLORS)
        colors = {name: _LOSS_COLORS[number % count] for number, name in enumerate(losses)}
        _addRow(_LOSSES, step, losses, colors)

    def addValidation(self, step: int, dice: Mapping[str, float], colors: Mapping[str, Color]) -> None:
        """Add the Dice of a step, 0 to 1 by structure; curves have the colours (0 to 255) of their structures."""
        named = {f"Dice {name}": value for name, value in dice.items()}
        # A structure that the study has lost since gets a colour of its own.
        shown = {f"Dice {name}": colors.get(name, default_color(number)) for number, name in enumerate(dice)}
        _addRow(_DICE, step, named, shown)

    def redraw(self) -> None:
        """Redraw the plot view: its axes follow new curves, but not new points of a curve."""
        tables = [node.GetTable() for node in _own("vtkMRMLTableNode") if node.GetTable().GetNumberOfRows() > 1]
        if not tables:
            return
        steps = np.concatenate([_column(table, _STEP) for table in tables])
        values = np.concatenate([_column(table, name) for table in tables for name in _valueNames(table)])
        chart = _chart()
        before = chart.StartModify()
        chart.SetXAxisRangeAuto(False)
        chart.SetXAxisRange(float(steps.min()), float(steps.max()))
        chart.SetYAxisRangeAuto(False)
        highest = max(1.0, float(np.nanmax(values)))
        chart.SetYAxisRange(min(0.0, float(np.nanmin(values))), _HEADROOM * highest)
        chart.EndModify(before)

    def show(self) -> None:
        """Show the chart in a layout that has a plot view."""
        views.rememberLayout(_LAYOUT_BEFORE)
        slicer.modules.plots.logic().ShowChartInLayout(_chart())

    def hide(self) -> None:
        """Return to the layout from before `show`."""
        views.restoreLayout(_LAYOUT_BEFORE)


def _addRow(role: str, step: int, values: Mapping[str, float], colors: Mapping[str, Color]) -> None:
    node = _find("vtkMRMLTableNode", role)
    before = node.StartModify()
    table = node.GetTable()
    # Continued after a stop, a training repeats the steps since its last checkpoint.
    while table.GetNumberOfRows() and table.GetValue(table.GetNumberOfRows() - 1, 0).ToDouble() >= step:
        table.RemoveRow(table.GetNumberOfRows() - 1)
    for name in (_STEP, *values):
        if table.GetColumnByName(name) is None:
            _addColumn(table, name)
    row = table.InsertNextBlankRow(math.nan)
    for name, value in {_STEP: float(step), **values}.items():
        table.SetValueByName(row, name, vtk.vtkVariant(float(value)))
    node.Modified()
    node.EndModify(before)
    # A line of one point makes the plot view complain at every drawing.
    if table.GetNumberOfRows() > 1:
        drawn = {series.GetYColumnName() for series in _own("vtkMRMLPlotSeriesNode")}
        for name in values:
            if name not in drawn:
                _addSeries(node, role, name, colors[name])


def _addColumn(table: vtk.vtkTable, name: str) -> None:
    column = vtk.vtkDoubleArray()
    column.SetName(name)
    column.SetNumberOfTuples(table.GetNumberOfRows())
    column.Fill(math.nan)
    table.AddColumn(column)


def _addSeries(table: slicer.vtkMRMLTableNode, role: str, name: str, color: Color) -> None:
    series = _make("vtkMRMLPlotSeriesNode", role, _label(role, name))
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(_STEP)
    series.SetYColumnName(name)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    isDice = role == _DICE
    series.SetLineStyle(getattr(series, "LineStyleSolid" if isDice else "LineStyleDash"))
    series.SetMarkerStyle(getattr(series, "MarkerStyleCircle" if isDice else "MarkerStyleNone"))
    series.SetLineWidth(3 if isDice else 1)
    series.SetColor(*(value / 255 for value in color))
    _chart().AddAndObservePlotSeriesNodeID(series.GetID())


def _column(table: vtk.vtkTable, name: str) -> np.ndarray:
    return vtk_to_numpy(table.GetColumnByName(name))


def _valueNames(table: vtk.vtkTable) -> list[str]:
    names = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    return [name for name in names if name != _STEP]


def _label(role: str, name: str) -> str:
    """Return the text of the legend: the paper's name of the loss, with spaces."""
    if role == _DICE or name.endswith("_share"):
        return name.replace("_", " ")
    return "Loss: {name}".format(name=name.replace("_", " "))


def _chart() -> slicer.vtkMRMLPlotChartNode:
    chart = _find("vtkMRMLPlotChartNode", _CHART)
    if not chart.GetXAxisTitle():
        chart.SetTitle(_NAMES[_CHART])
        chart.SetXAxisTitle("Step")
        chart.SetYAxisTitle("Loss, Dice")
        chart.SetGridVisibility(True)
        chart.SetLegendFontSize(_LEGEND_FONT_SIZE)
    return chart


def _find(className: str, role: str) -> slicer.vtkMRMLNode:
    """Return the panel's node with this role, made when there is none."""
    nodes = [node for node in _own(className) if node.GetAttribute(_ATTRIBUTE) == role]
    if nodes:
        return nodes[0]
    return _make(className, role, _NAMES[role])


def _make(className: str, role: str, name: str) -> slicer.vtkMRMLNode:
    node = slicer.mrmlScene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(name)
    node.SetAttribute(_ATTRIBUTE, role)
    # Before it is added: the subject hierarchy looks at a node once.
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return slicer.mrmlScene.AddNode(node)


def _own(className: str) -> list[slicer.vtkMRMLNode]:
    return [node for node in slicer.util.getNodesByClass(className) if node.GetAttribute(_ATTRIBUTE)]

"""A picture of what stands for Slicer's window: the panel, and the views of the layout beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .pyside import QtCore, QtGui, QtWidgets
from .slice_view import SliceView

PANEL_WIDTH = 400
_BAR = 18
_SLICES = {"Red": ("Axial", "#f34a33"), "Yellow": ("Sagittal", "#edd54c")}
_PLOT_BAR = "#e8e8e8"
_SIZE = (1000, 820)


class Window:
    """Holds a panel and two slice views; make it before anything is shown in them."""

    def __init__(self) -> None:
        self.views = {name: SliceView(name, orientation) for name, (orientation, _) in _SLICES.items()}
        self._holder = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(self._holder)
        column.setContentsMargins(0, 0, 0, 0)
        self._holder.resize(PANEL_WIDTH, _SIZE[1])
        self._holder.setAttribute(QtCore.Qt.WA_DontShowOnScreen)
        self._holder.show()

    def setPanel(self, widget: Any) -> None:
        """Show the widget of a panel."""
        self._holder.layout().addWidget(widget)

    def fit(self) -> None:
        """Give the views the sizes that the layout gives them, and fit them to their images, at the slice they show."""
        for name, place in self._places().items():
            if name in self.views:
                logic = self.views[name].logic
                offset = logic.GetSliceOffset()
                self.views[name].resize(place.width(), place.height())
                logic.FitSliceToBackground()
                logic.SetSliceOffset(offset)

    def grab(self) -> Any:
        """The window as a QImage."""
        image = QtGui.QImage(*_SIZE, QtGui.QImage.Format_RGB32)
        image.fill(QtCore.Qt.black)
        painter = QtGui.QPainter(image)
        painter.drawPixmap(0, 0, self._holder.grab())
        for name, place in self._places().items():
            isSlice = name in self.views
            pixels = self.views[name].pixels() if isSlice else _drawChart(place.width(), place.height())
            painter.drawImage(place.topLeft(), _image(pixels))
            bar = QtCore.QRect(place.left(), place.top() - _BAR, place.width(), _BAR)
            painter.fillRect(bar, QtGui.QColor(_SLICES[name][1] if isSlice else _PLOT_BAR))
            painter.setPen(QtCore.Qt.black)
            painter.drawText(bar.adjusted(6, 0, -6, 0), QtCore.Qt.AlignVCenter, self._title(name))
        painter.end()
        return image

    def grabView(self, name: str) -> Any:
        """A slice view alone, without black borders, as a QImage."""
        pixels = self.views[name].pixels()
        shown = np.argwhere(pixels.max(axis=-1) > 0)
        (top, left), (bottom, right) = shown.min(axis=0), shown.max(axis=0)
        return _image(pixels[top : bottom + 1, left : right + 1])

    def close(self) -> None:
        """Take the views out of the application."""
        for view in self.views.values():
            view.close()
        self._holder.deleteLater()

    def _title(self, name: str) -> str:
        if name not in self.views:
            return "P"
        logic = self.views[name].logic
        volume = logic.GetBackgroundLayer().GetVolumeNode()
        return f"{name[0]}   {logic.GetSliceOffset():.1f} mm   {volume.GetName() if volume else ''}"

    def _places(self) -> dict[str, Any]:
        """Where the views of the present layout are, without the bars above them."""
        arrangement = slicer.app.layoutLogic.GetLayoutNode().GetViewArrangement()
        area = QtCore.QRect(PANEL_WIDTH + 4, 0, _SIZE[0] - PANEL_WIDTH - 4, _SIZE[1])
        kinds = slicer.vtkMRMLLayoutNode
        if arrangement == kinds.SlicerLayoutSideBySideView:
            half = area.width() // 2 - 1
            parts = {
                "Red": QtCore.QRect(area.left(), 0, half, area.height()),
                "Yellow": QtCore.QRect(area.left() + half + 2, 0, half, area.height()),
            }
        elif arrangement == kinds.SlicerLayoutOneUpRedSliceView:
            parts = {"Red": area}
        else:
            top = area.height() * 11 // 20
            parts = {
                "Red": QtCore.QRect(area.left(), 0, area.width(), top),
                "Plot": QtCore.QRect(area.left(), top, area.width(), area.height() - top),
            }
        return {name: part.adjusted(0, _BAR, 0, 0) for name, part in parts.items()}


def _image(pixels: np.ndarray) -> Any:
    pixels = np.ascontiguousarray(pixels[..., :3])
    height, width, _ = pixels.shape
    return QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format_RGB888).copy()


def _drawChart(width: int, height: int) -> np.ndarray:
    """The first chart of the scene, drawn by VTK as Slicer's plot view does."""
    view = vtk.vtkContextView()
    view.GetRenderWindow().SetOffScreenRendering(1)
    view.GetRenderWindow().SetSize(width, height)
    chart = vtk.vtkChartXY()
    view.GetScene().AddItem(chart)
    chart.SetShowLegend(True)
    # Beside the curves, where it covers none.
    chart.GetLegend().SetInline(False)
    for node in slicer.util.getNodesByClass("vtkMRMLPlotChartNode")[:1]:
        chart.SetTitle(node.GetTitle())
        chart.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(node.GetXAxisTitle())
        chart.GetAxis(vtk.vtkAxis.LEFT).SetTitle(node.GetYAxisTitle())
        for index in range(node.GetNumberOfPlotSeriesNodes()):
            _addSeries(chart, node.GetNthPlotSeriesNode(index))
    view.GetRenderer().SetBackground(1, 1, 1)
    view.Render()
    image = vtk.vtkWindowToImageFilter()
    image.SetInput(view.GetRenderWindow())
    image.ReadFrontBufferOff()
    image.Update()
    output = image.GetOutput()
    pixels = vtk_to_numpy(output.GetPointData().GetScalars()).reshape(height, width, -1)[::-1].copy()
    view.GetRenderWindow().Finalize()
    return pixels


def _addSeries(chart: Any, series: Any) -> None:
    plot = chart.AddPlot(vtk.vtkChart.LINE)
    plot.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
    plot.SetLabel(series.GetName())
    plot.SetColorF(*series.GetColor())
    plot.SetWidth(series.GetLineWidth())
    plot.GetPen().SetLineType(series.GetLineStyle())
    plot.SetMarkerStyle(series.GetMarkerStyle())

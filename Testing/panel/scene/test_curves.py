from __future__ import annotations

import math

import pytest
import slicer

from SemiSupervisedSegLib.panel.scene.curves import TrainingCurves

from ...slicer_stand_in.scene import saveAndReload


@pytest.fixture
def curves(scene):
    return TrainingCurves()


def column(table, name):
    node = slicer.util.getFirstNodeByClassByName("vtkMRMLTableNode", table)
    content = node.GetTable()
    return [content.GetValueByName(row, name).ToDouble() for row in range(content.GetNumberOfRows())]


def series():
    chart = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")[0]
    return [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]


def test_every_loss_and_structure_has_a_curve_over_the_steps(curves):
    for step in (10, 20, 30):
        curves.addStep(step, {"supervised": 1 / step, "consistency": 0.1})
    for step in (20, 30):
        curves.addValidation(step, {"chamber": 0.5, "wall": 0.25}, {"chamber": (255, 0, 0), "wall": (0, 0, 255)})
    assert column("Training losses", "step") == [10, 20, 30]
    assert column("Training losses", "supervised") == pytest.approx([0.1, 0.05, 1 / 30])
    assert column("Validation Dice", "Dice wall") == [0.25, 0.25]
    names = ["supervised", "consistency", "Dice chamber", "Dice wall"]
    assert [item.GetName() for item in series()] == ["Loss: supervised", "Loss: consistency", *names[2:]]
    assert [(item.GetXColumnName(), item.GetYColumnName()) for item in series()] == [("step", name) for name in names]
    assert len({item.GetColor() for item in series()}) == 4
    assert series()[2].GetColor() == (1.0, 0.0, 0.0), "that of the structure"


def test_a_loss_that_begins_later_has_no_value_before(curves):
    curves.addStep(1, {"supervised": 0.5})
    curves.addStep(2, {"supervised": 0.4, "boundary": 0.3})
    curves.addStep(3, {"boundary": 0.2})
    assert math.isnan(column("Training losses", "boundary")[0])
    assert column("Training losses", "boundary")[1:] == [0.3, 0.2]
    assert math.isnan(column("Training losses", "supervised")[2])


def test_steps_that_a_continued_training_repeats_replace_the_old_ones(curves):
    for step in (10, 20, 30):
        curves.addStep(step, {"supervised": 1.0})
    curves.addStep(20, {"supervised": 0.5})
    assert column("Training losses", "step") == [10, 20]
    assert column("Training losses", "supervised") == [1.0, 0.5]


def test_the_chart_is_shown_in_a_layout_with_a_plot(curves):
    curves.addStep(1, {"supervised": 0.5})
    curves.show()
    layout = slicer.util.getNodesByClass("vtkMRMLLayoutNode")[0]
    plots = slicer.modules.plots.logic()
    assert plots.GetLayoutWithPlot(layout.GetViewArrangement()) == layout.GetViewArrangement()
    view = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")[0]
    assert view.GetPlotChartNode() is slicer.util.getNodesByClass("vtkMRMLPlotChartNode")[0]


def test_hiding_the_curves_gives_the_layout_back(curves):
    layout = slicer.util.getNodesByClass("vtkMRMLLayoutNode")[0]
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    curves.addStep(1, {"supervised": 0.5})
    curves.show()
    curves.show()
    assert layout.GetViewArrangement() != slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    curves.hide()
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    curves.hide()
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView


def test_the_nodes_of_curves_are_in_no_list_and_in_no_saved_scene(curves, tmp_path):
    for step in (1, 2):
        curves.addStep(step, {"supervised": 0.5})
        curves.addValidation(step, {"wall": 0.25}, {})
    classes = ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")
    nodes = [node for name in classes for node in slicer.util.getNodesByClass(name)]
    assert len(nodes) == 5
    assert all(node.GetHideFromEditors() for node in nodes)
    saveAndReload(str(tmp_path / "scene.mrb"))
    assert not any(slicer.util.getNodesByClass(name) for name in classes)


def test_clear_removes_the_curves_and_nothing_else(curves, scene):
    mine = scene.AddNewNodeByClass("vtkMRMLTableNode", "mine")
    curves.addStep(1, {"supervised": 0.5})
    curves.clear()
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == [mine]
    assert not slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")
    assert not slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    curves.addStep(1, {"supervised": 0.5})
    curves.addStep(2, {"supervised": 0.4})
    assert len(series()) == 1


def test_a_single_point_is_not_drawn_as_a_line(curves):
    curves.addStep(1, {"supervised": 0.5})
    assert not slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")
    curves.addStep(2, {"supervised": 0.4})
    assert [item.GetName() for item in series()] == ["Loss: supervised"]


def test_the_axes_follow_the_points(curves):
    for step in (10, 20):
        curves.addStep(step, {"supervised": 2.5 / step})
    curves.redraw()
    chart = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")[0]
    assert (chart.GetXAxisRange(), chart.GetYAxisRange()) == ((10.0, 20.0), (0.0, 1.5))
    curves.addStep(30, {"supervised": 1.5, "boundary": -0.5})
    curves.redraw()
    assert (chart.GetXAxisRange(), chart.GetYAxisRange()) == ((10.0, 30.0), (-0.5, 2.25))


def test_curves_go_on_after_a_reload_of_the_module(curves):
    curves.addStep(10, {"supervised": 0.9})
    for step in (5, 10):
        curves.addValidation(step, {"wall": 0.1}, {"wall": (0, 0, 255)})
    curves = TrainingCurves()
    curves.addStep(20, {"supervised": 0.7})
    tables = {node.GetName(): node for node in slicer.util.getNodesByClass("vtkMRMLTableNode")}
    assert set(tables) == {"Training losses", "Validation Dice"}
    losses = tables["Training losses"].GetTable()
    assert [losses.GetValueByName(row, "supervised").ToDouble() for row in range(2)] == pytest.approx([0.9, 0.7])
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")) == 2

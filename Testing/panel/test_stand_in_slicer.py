"""The stand-in agrees with how Slicer behaves: its .ui files, its Segment Editor, its modules and packages."""

from __future__ import annotations

import sys

import pytest
import slicer
import slicer.util

from ..slicer_stand_in import scripted_module

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout">
<item><widget class="ctkCollapsibleButton" name="section"><property name="text"><string>Part</string></property>
<property name="collapsed"><bool>true</bool></property><layout class="QVBoxLayout">
<item><widget class="QPushButton" name="button"/></item></layout></widget></item>
<item><widget class="qMRMLNodeComboBox" name="connected"><property name="nodeTypes"><stringlist>
<string>vtkMRMLScalarVolumeNode</string></stringlist></property></widget></item>
<item><widget class="qMRMLNodeComboBox" name="forgotten"/></item></layout></widget>
<customwidgets><customwidget><class>qMRMLWidget</class><extends>QWidget</extends></customwidget></customwidgets>
<connections><connection><sender>Form</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>connected</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


def test_ui_files_give_the_scene_only_to_whom_they_connect(scene, tmp_path, grab):
    (tmp_path / "form.ui").write_text(UI)
    form = slicer.util.loadUI(str(tmp_path / "form.ui"))
    ui = slicer.util.childWidgetVariables(form)
    form.setMRMLScene(scene)
    assert ui.connected.mrmlScene() is scene
    assert ui.forgotten.mrmlScene() is None
    form.show()
    assert (ui.section.text, ui.section.collapsed, ui.button.visible) == ("Part", True, False)
    ui.section.collapsed = False
    assert ui.button.visible
    assert grab(form, tmp_path / "form.png").stat().st_size > 500


def test_ui_files_with_widgets_that_nothing_stands_for_are_refused(tmp_path):
    (tmp_path / "form.ui").write_text(UI.replace("ctkCollapsibleButton", "ctkThermometer"))
    with pytest.raises(NotImplementedError, match="ctkThermometer"):
        slicer.util.loadUI(str(tmp_path / "form.ui"))


def test_the_segment_editor_needs_its_node_and_undoes(scene):
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(scene)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    with pytest.raises(RuntimeError, match="setMRMLSegmentEditorNode"):
        editor.setSegmentationNode(segmentation)
    editor.setMRMLSegmentEditorNode(scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    editor.setSegmentationNode(segmentation)
    editor.saveStateForUndo()
    segmentation.GetSegmentation().AddEmptySegment("a", "liver")
    editor.undo()
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 0


def test_a_module_is_loaded_reloaded_and_unloaded_as_slicer_does(tmp_path, slicer_app):
    path = tmp_path / "Sketch.py"
    path.write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "events = []\n"
        "class Sketch(ScriptedLoadableModule):\n"
        "    def __init__(self, parent):\n"
        "        super().__init__(parent)\n"
        "        parent.title = 'Sketch'\n"
        "class SketchWidget(ScriptedLoadableModuleWidget):\n"
        "    def setup(self):\n"
        "        super().setup()\n"
        "        events.append('setup')\n"
        "    def cleanup(self):\n"
        "        events.append('cleanup')\n"
    )
    host = scripted_module.loadModule(path)
    widget = host.widgetRepresentation().self()
    first = sys.modules["Sketch"]
    assert (host.title, widget.resourcePath("UI/a.ui")) == ("Sketch", str(tmp_path / "Resources/UI/a.ui"))
    widget.onReload()
    assert first.events == ["setup", "cleanup"]
    assert host.widgetRepresentation().self() is not widget
    host.unload()
    assert sys.modules["Sketch"].events == ["setup", "cleanup"]


def test_what_is_installed_is_noted(packaging):
    packaging.missing = {"monai"}
    assert packaging.pip_check("pytest>=7")
    assert not packaging.pip_check("monai>=1.5")
    packaging.pip_ensure(["monai>=1.5", "pytest"], requester="test")
    assert (packaging.installed, packaging.pip_check("monai>=1.5")) == (["monai>=1.5"], True)

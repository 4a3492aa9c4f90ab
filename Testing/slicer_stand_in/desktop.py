"""Starts what stands for the desktop application. Import it before anything imports qt, ctk or slicer's own modules."""

from __future__ import annotations

import sys
import tempfile
import types

import slicer
import slicer.util

from . import (
    application,
    ctk_widgets,
    installing,
    mrml_widgets,
    sample_data,
    scene,
    scripted_module,
    segment_editor,
    terminology,
    ui_loader,
)
from .pyside import QtCore, QtWidgets
from .qt_module import makeQt

_MRML_WIDGETS = (
    mrml_widgets.qMRMLWidget,
    mrml_widgets.qMRMLNodeComboBox,
    segment_editor.qMRMLSegmentEditorWidget,
    terminology.qSlicerTerminologyNavigatorWidget,
)


def start() -> None:
    """Make `qt`, `ctk`, `slicer.app`, `slicer.modules`, `slicer.mrmlScene` and the rest that Slicer offers."""
    folder = tempfile.mkdtemp(prefix="slicer-")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, folder)
    QtCore.QCoreApplication.setOrganizationName("NA-MIC")
    QtCore.QCoreApplication.setApplicationName("Slicer")
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    app.setStyle("Fusion")
    qt = makeQt()
    qt.QUiLoader = ui_loader.makeLoader([*ctk_widgets.CLASSES, *_MRML_WIDGETS])
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk_widgets.makeCtk()
    for cls in (*_MRML_WIDGETS, scripted_module.qSlicerScriptedLoadableModule):
        setattr(slicer, cls.__name__, cls)
    slicer.app = application.Application(app, folder)
    scene.startScene()
    packaging = installing.Packaging()
    sys.modules["SampleData"] = sample_data.makeSampleData()
    parts = {
        "ScriptedLoadableModule": scripted_module.makeScriptedLoadableModule(),
        "i18n": _makeI18n(),
        "packaging": packaging,
    }
    for name, module in parts.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


def _makeI18n() -> types.ModuleType:
    module = types.ModuleType("slicer.i18n")
    module.tr = lambda text, context=None: text
    module.translate = lambda context, text: text
    return module

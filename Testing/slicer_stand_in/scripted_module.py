"""Stands for Slicer's host of Python modules and for slicer.ScriptedLoadableModule."""

from __future__ import annotations

import importlib.util
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import slicer

from .mrml_widgets import qMRMLWidget
from .pyside import QtWidgets


class qSlicerScriptedLoadableModule:
    """What a module gets as its parent. It has the properties of Slicer's class and refuses others, as C++ would."""

    __slots__ = (
        "_widget",
        "acknowledgementText",
        "associatedNodeTypes",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "index",
        "name",
        "path",
        "title",
        "version",
    )

    def __init__(self, path: str) -> None:
        self.path, self.name, self.hidden = path, Path(path).stem, False
        self._widget = None

    def widgetRepresentation(self) -> Any:
        """The panel of the module, made when it is first asked for."""
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self.name)
            self._widget.reload()
        return self._widget

    def logic(self) -> None:
        """Modules in Python have none that C++ knows."""

    def unload(self) -> None:
        """What Slicer does when it ends."""
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        if self._widget is not None:
            self._widget.delete()
        self._widget = None
        delattr(slicer.modules, self.name.lower())


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The widget that holds a panel; Slicer tells the panel through it when it is entered and left."""

    standsForCpp = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._panel = name, None
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)

    def self(self) -> Any:
        """The widget object of the Python module."""
        return self._panel

    def reload(self) -> None:
        """Make the panel from the module as it is now in sys.modules."""
        self._panel = getattr(sys.modules[self._name], f"{self._name}Widget")(self)
        setattr(slicer.modules, f"{self._name}Widget", self._panel)
        self._panel.setup()

    def enter(self) -> None:
        """The user chooses the module."""
        self._panel.enter()

    def exit(self) -> None:
        """The user chooses another module."""
        self._panel.exit()


def loadModule(path: Path | str) -> qSlicerScriptedLoadableModule:
    """Load a module file as Slicer does at its start; only the folder of the file is on sys.path then."""
    path = Path(path)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    host = qSlicerScriptedLoadableModule(str(path))
    getattr(module, path.stem)(host)
    setattr(slicer.modules, path.stem.lower(), host)
    return host


class ScriptedLoadableModule:
    """Base of modules."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        icon = self.resourcePath(f"Icons/{self.moduleName}.png")
        if Path(icon).is_file():
            parent.icon = sys.modules["qt"].QIcon(icon)
        slicer.selfTests = {**getattr(slicer, "selfTests", {}), self.moduleName: self.runTest}

    def resourcePath(self, name: str) -> str:
        """The path of a file in the module's Resources."""
        return str(Path(self.parent.path).parent / "Resources" / name)

    def runTest(self, msec: int = 100, **options: Any) -> None:
        """Run the module's own tests."""
        getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")().runTest(**options)


class ScriptedLoadableModuleWidget:
    """Base of panels."""

    def __init__(self, parent: Any) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self) -> None:
        """Make the section for developers, which is not there without the developer mode."""

    def resourcePath(self, name: str) -> str:
        """The path of a file in the module's Resources."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def cleanup(self) -> None:
        """Called before the module goes."""

    def onReload(self) -> None:
        """What the button Reload of the developer mode does."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()


class ScriptedLoadableModuleLogic:
    """Base of logics."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of self-tests."""


def makeScriptedLoadableModule() -> types.ModuleType:
    """The module `slicer.ScriptedLoadableModule`."""
    module = types.ModuleType("slicer.ScriptedLoadableModule")
    classes = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    vars(module).update({cls.__name__: cls for cls in classes})
    module.__all__ = [cls.__name__ for cls in classes]
    return module

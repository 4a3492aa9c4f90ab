"""Stands for slicer.app: qSlicerApplication, its layout manager and its module manager."""

from __future__ import annotations

import types
from typing import Any

import slicer

from .pyside import QtCore


class ModuleManager(QtCore.QObject):
    """Stands for qSlicerModuleManager."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str) -> Any:
        """The module of this name, None if there is none."""
        return getattr(slicer.modules, name.lower(), None)

    def modulesNames(self) -> list[str]:
        """The names of all modules."""
        return [module.name for module in vars(slicer.modules).values() if hasattr(module, "logic")]


class SliceWidget:
    """Stands for qMRMLSliceWidget, over the logic of a view that a test has made."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def sliceLogic(self) -> Any:
        """The logic of the view."""
        return self._logic

    def mrmlSliceNode(self) -> Any:
        """The node of the view."""
        return self._logic.GetSliceNode()


class LayoutManager:
    """Stands for qSlicerLayoutManager, over the real layout node and the slice views that a test has made."""

    @property
    def layout(self) -> int:
        """Which layout is shown."""
        return self.layoutLogic().GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        """Show another layout."""
        self.layoutLogic().GetLayoutNode().SetViewArrangement(layout)

    def layoutLogic(self) -> Any:
        """The logic that keeps the layout."""
        return slicer.app.layoutLogic

    def sliceViewNames(self) -> list[str]:
        """The names of the slice views."""
        return [logic.GetSliceNode().GetLayoutName() for logic in self._sliceLogics()]

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """The slice view of this name, None if there is none."""
        found = [logic for logic in self._sliceLogics() if logic.GetSliceNode().GetLayoutName() == name]
        return SliceWidget(found[0]) if found else None

    def resetSliceViews(self) -> None:
        """Fit every slice view to what it shows."""
        for logic in self._sliceLogics():
            logic.FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Do nothing: there are no 3D views."""

    def _sliceLogics(self) -> list[Any]:
        logics = slicer.app.applicationLogic().GetSliceLogics()
        return [logics.GetItemAsObject(index) for index in range(logics.GetNumberOfItems())]


class Startup(QtCore.QObject):
    """The signals of qSlicerApplication that QApplication lacks."""

    startupCompleted = QtCore.Signal()


class Application:
    """Stands for qSlicerApplication; what it does not have is asked of the QApplication.

    Test code may set `restarts` aside: `restart` counts there instead of ending the process.
    """

    applicationName = "Slicer"
    applicationVersion = "5.13.0"
    majorVersion = 5
    minorVersion = 13
    documentationBaseUrl = "https://slicer.readthedocs.io"

    def __init__(self, application: Any, folder: str) -> None:
        self._application = application
        self._startup = Startup()
        self._modules = ModuleManager()
        self._layout = LayoutManager()
        self.temporaryPath = folder
        self.slicerHome = folder
        self.restarts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def connect(self, signature: str, receiver: Any) -> bool:
        """Connect one of Slicer's own signals, or one of Qt."""
        own = signature == "startupCompleted()"
        return (self._startup if own else self._application).connect(signature, receiver)

    def completeStartup(self) -> None:
        """What Slicer says when it and all its modules are ready; test code calls it."""
        self._startup.startupCompleted.emit()

    def layoutManager(self) -> LayoutManager:
        """The layout manager."""
        return self._layout

    def moduleManager(self) -> ModuleManager:
        """The module manager."""
        return self._modules

    def settings(self) -> Any:
        """Preferences of this machine, here in a temporary folder."""
        return QtCore.QSettings()

    userSettings = revisionUserSettings = settings

    def startupEnvironment(self) -> Any:
        """The environment that Slicer was started in."""
        return QtCore.QProcessEnvironment.systemEnvironment()

    def testingEnabled(self) -> bool:
        """True, so that message boxes of slicer.util do not wait for a person."""
        return True

    def commandOptions(self) -> Any:
        """The options of Slicer's command line."""
        return types.SimpleNamespace(testingEnabled=True)

    def restart(self) -> None:
        """Count instead of restarting."""
        self.restarts += 1

    def pauseRender(self) -> None:
        """Nothing is drawn here unless a test asks."""

    def resumeRender(self) -> None:
        """Nothing is drawn here unless a test asks."""

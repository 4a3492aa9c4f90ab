"""A real MRML scene with Slicer's own application and module logics, as the desktop application sets them up."""

from __future__ import annotations

import types
from typing import Any

import slicer
import slicer.util
import vtk

# Module name, the name under which logics look each other up, and the class of its logic.
_MODULES = (
    ("colors", "Colors", slicer.vtkMRMLColorLogic),
    ("volumes", "Volumes", slicer.vtkSlicerVolumesLogic),
    ("segmentations", "Segmentations", slicer.vtkSlicerSegmentationsModuleLogic),
    ("subjecthierarchy", "SubjectHierarchy", slicer.vtkSlicerSubjectHierarchyModuleLogic),
    ("data", "Data", slicer.vtkSlicerDataModuleLogic),
    ("tables", "Tables", slicer.vtkSlicerTablesLogic),
    ("plots", "Plots", slicer.vtkSlicerPlotsLogic),
)


class Module:
    """Stands for qSlicerAbstractCoreModule as far as its logic is asked for."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self._logic = logic

    def logic(self) -> Any:
        """The module's logic."""
        return self._logic


def startScene() -> Any:
    """Make a new scene the scene of `slicer` (mrmlScene, app.applicationLogic, modules) and return it.

    What another stand-in put onto `slicer.app` and `slicer.modules` stays. Slicer's share folder with terminologies
    and file colour tables is not part of slicer-core, so neither is here.
    """
    scene = slicer.vtkMRMLScene()
    applicationLogic = slicer.vtkSlicerApplicationLogic()
    applicationLogic.SetMRMLScene(scene)
    applicationLogic.SetSliceLogics(vtk.vtkCollection())
    applicationLogic.SetViewLogics(vtk.vtkCollection())
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    slicer.mrmlScene = scene
    slicer.app = getattr(slicer, "app", None) or types.SimpleNamespace()
    slicer.app.applicationLogic = lambda: applicationLogic
    slicer.app.mrmlScene = lambda: scene
    slicer.modules = getattr(slicer, "modules", None) or types.SimpleNamespace()
    _startModules(scene, applicationLogic)
    _letBundlesBeRead(scene)
    _startLayout(scene)
    return scene


def saveAndReload(path: str) -> Any:
    """Save the scene as .mrb, close it, and read it back into the same scene, as a user does who goes home."""
    scene = slicer.mrmlScene
    if not scene.WriteToMRB(path):
        raise OSError(f"The scene could not be written to {path}.")
    scene.Clear(0)
    if not scene.ReadFromMRB(path, True):
        raise OSError(f"The scene could not be read from {path}.")
    return scene


def _startModules(scene: Any, applicationLogic: Any) -> None:
    for name, key, logicClass in _MODULES:
        logic = logicClass()
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(applicationLogic)
        applicationLogic.SetModuleLogic(key, logic)
        setattr(slicer.modules, name, Module(key, logic))
    applicationLogic.GetColorLogic().SetMRMLScene(scene)
    applicationLogic.GetColorLogic().AddDefaultColorNodes()


def _startLayout(scene: Any) -> None:
    # In the application the layout manager owns this logic; here the scene's observer has to be kept alive by hand.
    layoutLogic = slicer.vtkMRMLLayoutLogic()
    layoutLogic.SetMRMLScene(scene)
    layoutLogic.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.app.layoutLogic = layoutLogic


def _letBundlesBeRead(scene: Any) -> None:
    cache = slicer.vtkCacheManager()
    manager = slicer.vtkDataIOManager()
    manager.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    slicer.app.dataIOManager = manager

"""A slice view of Slicer, drawn off screen: Slicer's slice logic and displayable managers without a Qt widget."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

# Without a screen VTK would try X first and complain.
if not os.environ.get("DISPLAY") and sys.platform == "linux":
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

_MANAGERS = ("vtkMRMLCrosshairDisplayableManager", "vtkMRMLSegmentationsDisplayableManager2D")


class SliceView:
    """What qMRMLSliceWidget sets up for one view of the layout, such as Red.

    Make it before the nodes are shown, as the application does; the adapter finds its nodes in the scene.
    """

    def __init__(self, name: str = "Red", orientation: str = "Axial", size: tuple[int, int] = (400, 400)) -> None:
        applicationLogic = slicer.app.applicationLogic()
        self._renderer = vtk.vtkRenderer()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        self._addImageActor()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(applicationLogic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = _sliceNode(self.logic, name)
        self.node.SetOrientation(orientation)
        applicationLogic.GetSliceLogics().AddItem(self.logic)
        self._group = _managerGroup(applicationLogic, self._renderer)
        self._connect()
        scene = slicer.mrmlScene
        self._observer = scene.AddObserver(scene.EndBatchProcessEvent, lambda caller, name: self._connect())
        self.resize(*size)

    @property
    def compositeNode(self) -> Any:
        """The node that says which volumes the view shows."""
        return self.logic.GetSliceCompositeNode()

    def resize(self, width: int, height: int) -> None:
        """Give the view another size in pixels."""
        self.window.SetSize(width, height)
        self.logic.ResizeSliceNode(width, height)

    def goTo(self, ras: tuple[float, float, float]) -> None:
        """Move the slice through a point in mm."""
        self.node.JumpSliceByOffsetting(*ras)

    def pixels(self) -> np.ndarray:
        """Draw the view and return its colours (rows from the top, columns, RGB) as uint8."""
        connection = self.logic.GetImageDataConnection()
        self._imageActor.SetVisibility(connection is not None)
        if connection is not None:
            self._imageActor.GetMapper().SetInputConnection(connection)
        self.window.Render()
        image = vtk.vtkWindowToImageFilter()
        image.SetInput(self.window)
        image.ReadFrontBufferOff()
        image.Update()
        output = image.GetOutput()
        width, height, _ = output.GetDimensions()
        return vtk_to_numpy(output.GetPointData().GetScalars()).reshape(height, width, -1)[::-1].copy()

    def save(self, path: Path | str) -> None:
        """Draw the view into a PNG file."""
        pixels = np.ascontiguousarray(self.pixels()[::-1])
        image = vtk.vtkImageData()
        image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        vtk_to_numpy(image.GetPointData().GetScalars())[:] = pixels.reshape(-1, 3)
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputData(image)
        writer.Write()

    def pixelOf(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """The row (from the top) and column at which a point in mm on the shown slice is drawn."""
        toXY = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), toXY)
        x, y, *_ = toXY.MultiplyPoint((*ras, 1.0))
        return self.window.GetSize()[1] - 1 - round(y), round(x)

    def close(self) -> None:
        """Take the view out of the application, so that a later one can have its name."""
        slicer.app.applicationLogic().GetSliceLogics().RemoveItem(self.logic)
        slicer.mrmlScene.RemoveObserver(self._observer)
        self._group.SetMRMLDisplayableNode(None)
        self.logic.SetMRMLScene(None)
        self.window.Finalize()

    def _connect(self) -> None:
        # The managers let go of a view whose scene is closed; in the application the layout gives it to them again.
        self._group.SetMRMLDisplayableNode(None)
        self._group.SetMRMLDisplayableNode(self.node)
        # They learn the position of the slice from its next change.
        self.node.Modified()

    def _addImageActor(self) -> None:
        # 2D props are drawn in the order in which they were added: the image comes before the managers' outlines.
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._imageActor = vtk.vtkActor2D()
        self._imageActor.SetMapper(mapper)
        self._imageActor.GetProperty().SetDisplayLocationToBackground()
        self._imageActor.SetVisibility(False)
        self._renderer.AddViewProp(self._imageActor)


def _sliceNode(logic: Any, name: str) -> Any:
    # The layout has made the nodes of its own views before; further views get a new one.
    node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
    if node is None:
        return logic.AddSliceNode(name)
    logic.SetSliceNode(node)
    return node


def _managerGroup(applicationLogic: Any, renderer: Any) -> Any:
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    factory.SetMRMLApplicationLogic(applicationLogic)
    for manager in _MANAGERS:
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.SetRenderer(renderer)
    group.Initialize(factory, renderer)
    return group

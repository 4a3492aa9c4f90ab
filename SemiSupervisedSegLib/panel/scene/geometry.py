"""Images of the study as VTK images of the scene and back, every voxel at its place.

Slicer reverses the last axis of volumes whose axes are left-handed when it reads them, and so does this module: nodes
are right-handed, the files of a study stay as they are.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from ...study.geometry import Geometry

# RAS, the directions of the scene, and LPS, those of files, differ in the sign of x and y.
_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ijkToRas(geometry: Geometry) -> vtk.vtkMatrix4x4:
    """Return the matrix from voxel indices of a grid to mm in the scene."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(geometry.direction).reshape(3, 3) * geometry.spacing
    matrix[:3, 3] = geometry.origin
    return slicer.util.vtkMatrixFromArray(_RAS @ matrix)


def imageData(values: np.ndarray, result: vtk.vtkImageData | None = None) -> vtk.vtkImageData:
    """Return voxels (z, y, x) copied into a vtkImageData (or `result`) without spacing and position."""
    result = vtk.vtkImageData() if result is None else result
    result.SetDimensions(values.shape[::-1])
    scalars = vtk.vtkDataArray.CreateDataArray(get_vtk_array_type(values.dtype))
    scalars.SetNumberOfTuples(values.size)
    vtk_to_numpy(scalars).reshape(values.shape)[:] = values
    scalars.SetName("ImageScalars")
    result.GetPointData().SetScalars(scalars)
    return result


def orientedImage(values: np.ndarray, geometry: Geometry) -> slicer.vtkOrientedImageData:
    """Return voxels (z, y, x) on a right-handed grid as vtkOrientedImageData, as segments store it."""
    result = imageData(values, slicer.vtkOrientedImageData())
    result.SetImageToWorldMatrix(ijkToRas(geometry))
    return result


def imageOfVolume(node: slicer.vtkMRMLScalarVolumeNode) -> sitk.Image:
    """Return the voxels and the grid of a volume node with one value per voxel, without its transform."""
    image = sitk.GetImageFromArray(slicer.util.arrayFromVolume(node))
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    axes = _RAS @ slicer.util.arrayFromVTKMatrix(matrix)
    spacing = np.linalg.norm(axes[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(axes[:3, 3].tolist())
    image.SetDirection((axes[:3, :3] / spacing).ravel().tolist())
    return image


def voxels(image: vtk.vtkImageData) -> np.ndarray:
    """Return a view on the voxels (z, y, x) of a vtkImageData; the image has to live as long as the view."""
    x, y, z = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(z, y, x)

"""Images of the study as VTK images of the scene and back, every voxel at its place.

Slicer reverses the last axis of volumes whose axes are left-handed when it reads them, and so does this module: nodes
are right-handed, the files of a study stay as they are.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ...study.geometry import Geometry

# RAS, the directions of the scene, and LPS, those of files, differ in the sign of x and y.
_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSED = [False, False, True]


def rightHanded(image: sitk.Image) -> sitk.Image:
    """Return the image with its last axis reversed if its axes are left-handed; no voxel moves in space."""
    return sitk.Flip(image, _REVERSED) if isLeftHanded(Geometry.of(image)) else image


def isLeftHanded(geometry: Geometry) -> bool:
    """Return whether the axes of a grid are left-handed."""
    return float(np.linalg.det(np.array(geometry.direction).reshape(3, 3))) < 0


def backToGrid(image: sitk.Image, geometry: Geometry) -> sitk.Image:
    """Return a right-handed image of `rightHanded` on its original grid, without rounding."""
    return _placed(sitk.Flip(image, _REVERSED) if isLeftHanded(geometry) else image, geometry)


def emptyImage(geometry: Geometry) -> sitk.Image:
    """Return a uint8 image of zeros on a grid."""
    return _placed(sitk.Image(geometry.size, sitk.sitkUInt8), geometry)


def ijkToRas(geometry: Geometry) -> vtk.vtkMatrix4x4:
    """Return the matrix from voxel indices of a grid to mm in the scene."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(geometry.direction).reshape(3, 3) * geometry.spacing
    matrix[:3, 3] = geometry.origin
    return slicer.util.vtkMatrixFromArray(_RAS @ matrix)


def imageData(image: sitk.Image, result: vtk.vtkImageData | None = None) -> vtk.vtkImageData:
    """Return the voxels of an image copied into a vtkImageData (or `result`) without spacing and position."""
    result = vtk.vtkImageData() if result is None else result
    result.SetDimensions(image.GetSize())
    scalars = numpy_to_vtk(sitk.GetArrayViewFromImage(image).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    result.GetPointData().SetScalars(scalars)
    return result


def orientedImage(image: sitk.Image) -> slicer.vtkOrientedImageData:
    """Return a right-handed image as vtkOrientedImageData, as segments store it."""
    result = imageData(image, slicer.vtkOrientedImageData())
    result.SetImageToWorldMatrix(ijkToRas(Geometry.of(image)))
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


def _placed(image: sitk.Image, geometry: Geometry) -> sitk.Image:
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image

"""Right-handed axes, as volumes of Slicer have them; the files of a study stay as they are."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ...study.geometry import Geometry

_REVERSED = [False, False, True]


def right_handed(image: sitk.Image) -> sitk.Image:
    """Return the image with its last axis reversed if its axes are left-handed; no voxel moves in space."""
    return sitk.Flip(image, _REVERSED) if is_left_handed(Geometry.of(image)) else image


def is_left_handed(geometry: Geometry) -> bool:
    """Return whether the axes of a grid are left-handed."""
    return float(np.linalg.det(np.array(geometry.direction).reshape(3, 3))) < 0


def back_to_grid(image: sitk.Image, geometry: Geometry) -> sitk.Image:
    """Return a right-handed image of `right_handed` on its original grid, without rounding."""
    return place_on_grid(sitk.Flip(image, _REVERSED) if is_left_handed(geometry) else image, geometry)


def empty_image(geometry: Geometry) -> sitk.Image:
    """Return a uint8 image of zeros on a grid."""
    return place_on_grid(sitk.Image(geometry.size, sitk.sitkUInt8), geometry)


def place_on_grid(image: sitk.Image, geometry: Geometry) -> sitk.Image:
    """Give an image the spacing, position and directions of a grid, and return it."""
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image

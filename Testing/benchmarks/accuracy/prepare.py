"""A case of a public data set as the publications prepared it: resampled, clipped to a window, and cropped."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Structure

from . import left_atrium
from .data_sets import DataSet, Files


def prepared(entry: DataSet, files: Files) -> tuple[sitk.Image, sitk.Image]:
    """Return the image (float32) and the label map (uint8, labels of the study) of a case, both (x, y, z).

    Raises:
        UserError: a file is missing or damaged, or the annotation is empty, has unknown values or another grid.
    """
    image, labels = _read(entry, files)
    grid = _target_grid(entry, image)
    if grid is not None:
        # Outside of the outermost voxel centres the nearest value holds, as zero would be dark tissue in CT.
        image = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
        labels = sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8, True)
    if entry.window:
        image = sitk.Clamp(image, sitk.sitkFloat32, *entry.window)
    image, labels = _cropped(entry, image, labels)
    if entry.in_plane_size or entry.unit_voxels:
        through = image.GetSpacing()[2] / image.GetSpacing()[0]
        for item in (image, labels):
            item.SetSpacing((1.0, 1.0, through))
    return image, labels


def _read(entry: DataSet, files: Files) -> tuple[sitk.Image, sitk.Image]:
    if entry.reader == "left_atrium":
        image, found = left_atrium.read_scan(files.image)
        values = [1]
    else:
        image = sitk.Cast(read_image(files.image), sitk.sitkFloat32)
        values = sorted({value for item in entry.structures for value in item.values})
        # Every published value is read as a structure of its own, so that unknown ones are refused.
        found = read_annotation(
            files.annotation, [Structure(f"value {value}", value, (0, 0, 0)) for value in values], image
        )
    label_of = {value: item.label for item in entry.structures for value in item.values}
    lookup = np.array([0, *(label_of[value] for value in values)], np.uint8)
    labels = sitk.GetImageFromArray(lookup[sitk.GetArrayViewFromImage(found)])
    labels.CopyInformation(image)
    return image, labels


def _target_grid(entry: DataSet, image: sitk.Image) -> sitk.Image | None:
    """The grid (x, y, z) to which a case is resampled, with the outer faces of the image; None for its own."""
    size = list(image.GetSize())
    if entry.spacing:
        extent = [count * step for count, step in zip(size, image.GetSpacing(), strict=True)]
        new = [max(1, round(length / entry.spacing)) for length in extent]
    elif entry.in_plane_size:
        new = [entry.in_plane_size, entry.in_plane_size, size[2]]
    else:
        return None
    factors = [before / after for before, after in zip(size, new, strict=True)]
    grid = sitk.Image(new, sitk.sitkUInt8)
    grid.SetDirection(image.GetDirection())
    grid.SetSpacing([step * factor for step, factor in zip(image.GetSpacing(), factors, strict=True)])
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([(factor - 1) / 2 for factor in factors]))
    return None if new == size else grid


def _cropped(entry: DataSet, image: sitk.Image, labels: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    if not entry.crop:
        return image, labels
    # In the order of SimpleITK, x first.
    inside = sitk.GetArrayViewFromImage(image if entry.crop == "image" else labels).T != 0
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(inside.any(axis=others))
        whole = (entry.crop == "slices" and axis < 2) or not places.size
        first, last = (0, inside.shape[axis] - 1) if whole else (int(places[0]), int(places[-1]))
        box.append(slice(max(0, first - entry.margin), last + entry.margin + 1))
    return image[tuple(box)], labels[tuple(box)]

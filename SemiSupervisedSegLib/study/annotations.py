"""Annotations as class maps on the grid of their image, from labelmaps and segmentations of 3D Slicer, and back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import UserError
from .geometry import Geometry, along_axes_of, difference, same_grid
from .images import read_file, read_image, write_image
from .model import Structure, name_key
from .segments import (
    Segment,
    attach_metadata,
    is_segmentation,
    read_segments,
    segment_metadata,
    segmentation_metadata,
    structures_of,
)

__all__ = ["read_annotation", "structures_of", "write_segmentation"]

# Values that were scaled, as NIfTI files may be, are off by less; interpolated ones by more.
_ROUNDING = 0.05


def read_annotation(
    path: Path | str,
    structures: Sequence[Structure],
    reference: sitk.Image,
    annotated: Collection[str] | None = None,
) -> sitk.Image:
    """Read an annotation as uint8 class map on the grid of `reference`: 0 background, i for `structures[i - 1]`.

    A labelmap holds the label values of the structures; the segments of a .seg.nrrd are matched by name. `annotated`
    names the structures that may be there, None for all. Raises UserError for a missing or damaged file, another grid,
    an unknown value or name, a structure that may not be there, overlapping segments, or an empty annotation.
    """
    path = Path(path)
    from_slicer = is_segmentation(path)
    classes, geometry = _read_segmentation(path, structures) if from_slicer else _read_labels(path, structures)
    if not classes.any():
        raise UserError(f"The annotation {path.name} is empty.", "Annotate at least one structure, or leave it out.")
    _check_annotated(path, classes, structures, annotated)
    target = Geometry.of(reference)
    if not same_grid(geometry, target):
        classes, geometry = along_axes_of(target, classes, geometry)
    if not same_grid(geometry, target):
        # 3D Slicer saves only the part of the grid that has segments.
        if not from_slicer:
            raise _different_grids(path, geometry, target)
        classes = _pad(path, classes, geometry, target)
    result = sitk.GetImageFromArray(classes)
    result.CopyInformation(reference)
    return result


def write_segmentation(path: Path | str, class_map: sitk.Image, structures: Sequence[Structure]) -> None:
    """Write a class map as .seg.nrrd that 3D Slicer shows with the names, colours and label values of `structures`.

    Completely or not at all; raises UserError when it cannot be written.
    """
    lookup = np.array([0, *(structure.label for structure in structures)], dtype=np.uint8)
    image = sitk.GetImageFromArray(lookup[sitk.GetArrayViewFromImage(class_map)])
    image.CopyInformation(class_map)
    attach_metadata(image, segmentation_metadata())
    for number, structure in enumerate(structures):
        attach_metadata(image, segment_metadata(number, structure, class_map.GetSize()))
    write_image(path, image)


def _read_labels(path: Path, structures: Sequence[Structure]) -> tuple[np.ndarray, Geometry]:
    image = read_image(path)
    values = _whole_numbers(path, sitk.GetArrayViewFromImage(image))
    classes = np.zeros(values.shape, dtype=np.uint8)
    covered = values == 0
    for index, structure in enumerate(structures, 1):
        inside = values == structure.label
        classes[inside] = index
        covered |= inside
    _check_covered(path, values, covered)
    return classes, Geometry.of(image)


def _whole_numbers(path: Path, values: np.ndarray) -> np.ndarray:
    """Return label values without the rounding errors of scaled or floating-point files."""
    if values.dtype.kind != "f":
        return values
    rounded = np.rint(values)
    apart = np.abs(values - rounded)
    if apart.max() > _ROUNDING:
        value = values.flat[apart.argmax()].item()
        raise UserError(
            f"The annotation {path.name} has values between whole numbers, such as {value:.4g}.",
            "It may be a map of probabilities or resampled with interpolation; export whole label values, resampled to "
            "the nearest neighbour.",
        )
    return rounded


def _check_covered(path: Path, values: np.ndarray, covered: np.ndarray) -> None:
    if not covered.all():
        value = values[~covered].flat[0].item()
        raise UserError(
            f"The annotation {path.name} has the label value {value:g}, which no structure of the study has.",
            "Add a structure with this label value or remove it from the annotation.",
        )


def _check_annotated(
    path: Path, classes: np.ndarray, structures: Sequence[Structure], annotated: Collection[str] | None
) -> None:
    present = np.bincount(classes.ravel(), minlength=1 + len(structures))[1:] > 0
    for structure, is_present in zip(structures, present, strict=True):
        if is_present and annotated is not None and structure.name not in annotated:
            raise UserError(
                f"The annotation {path.name} contains {structure.name!r}, which its case is not annotated for.",
                "Remove it from the annotation, or add it to the structures of the case.",
            )


def _read_segmentation(path: Path, structures: Sequence[Structure]) -> tuple[np.ndarray, Geometry]:
    segments = read_segments(path)
    indices = _match(path, segments, structures)
    layers, geometry = _read_layers(path)
    classes = np.zeros(layers[0].shape, dtype=np.uint8)
    covered = [layer == 0 for layer in layers]
    for segment, index in zip(segments, indices, strict=True):
        if not 0 <= segment.layer < len(layers) or segment.value == 0:
            raise UserError(f"{path.name} has a damaged segment description.", "Save it again from 3D Slicer.")
        inside = layers[segment.layer] == segment.value
        if np.any(classes[inside]):
            other = structures[int(classes[inside].max()) - 1].name
            raise UserError(
                f"The segments {segment.name!r} and {other!r} of {path.name} overlap.",
                "Correct one of them; every voxel can belong to one structure only.",
            )
        classes[inside] = index
        covered[segment.layer] |= inside
    for layer, claimed in zip(layers, covered, strict=True):
        _check_covered(path, layer, claimed)
    return classes, geometry


def not_a_structure(problem: str, structures: Sequence[Structure]) -> UserError:
    """Return the error of a segment whose name no structure has."""
    names = ", ".join(structure.name for structure in structures)
    return UserError(problem, f"Rename or remove the segment; the structures are: {names}.")


def _match(path: Path, segments: Sequence[Segment], structures: Sequence[Structure]) -> list[int]:
    by_name = {name_key(structure.name): index for index, structure in enumerate(structures, 1)}
    indices = []
    for segment in segments:
        index = by_name.get(name_key(segment.name))
        if index is None:
            problem = (
                f"The annotation {path.name} has the segment {segment.name!r}, which is no structure of the study."
            )
            raise not_a_structure(problem, structures)
        if index in indices:
            raise UserError(
                f"The annotation {path.name} has two segments named {segment.name!r}.", "Rename or join them."
            )
        indices.append(index)
    return indices


def _read_layers(path: Path) -> tuple[list[np.ndarray], Geometry]:
    """Return the layers (Z, Y, X) of a segmentation; several are stored as several values per voxel."""
    image = read_file(path)
    if image.GetDimension() != 3:
        raise UserError(f"{path.name} is not a 3D segmentation.", "Save it again from 3D Slicer.")
    values = sitk.GetArrayFromImage(image)
    if values.dtype.kind not in "iu":
        raise UserError(f"{path.name} has values that are not whole numbers.", "Save it again from 3D Slicer.")
    layers = [values] if values.ndim == 3 else list(np.moveaxis(values, -1, 0))
    return layers, Geometry.of(image)


def _pad(path: Path, classes: np.ndarray, part: Geometry, whole: Geometry) -> np.ndarray:
    """Put a part (Z, Y, X) of the reference's grid at its place in the whole; raises UserError when it is not one."""
    start = np.rint(whole.index(np.array(part.origin))).astype(int)
    end = start + np.array(part.size)
    if np.any(start < 0) or np.any(end > np.array(whole.size)):
        raise _different_grids(path, part, whole)
    expected = Geometry(part.size, whole.spacing, tuple(whole.position(tuple(start))), whole.direction)
    if not same_grid(part, expected):
        raise _different_grids(path, part, whole)
    padded = np.zeros(whole.size[::-1], dtype=np.uint8)
    padded[tuple(slice(a, b) for a, b in zip(start[::-1], end[::-1], strict=True))] = classes
    return padded


def _different_grids(path: Path, annotation: Geometry, image: Geometry) -> UserError:
    return UserError(
        f"The annotation {path.name} and its image are on different grids: {difference(annotation, image)}.",
        "Export the annotation with the image as its reference, so that size, spacing, position and axes agree.",
    )

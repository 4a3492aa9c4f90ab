"""A segmentation as DICOM SEG object that belongs to the scan it was made on.

highdicom, with pydicom, is part of the desktop application; elsewhere it may be absent, so nothing here imports it
before it is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from .errors import UserError
from .files import atomic_path
from .model import Structure

SUFFIX = "dcm"
_PROGRAM = "SemiSupervisedSeg"
# The code of anything that has no terminology of its own.
_TISSUE = ("85756007", "SCT", "Tissue")
_SERIES_NUMBER = 300
# In voxels; scanners round positions.
_TOLERANCE = 0.05


def missing_package() -> str:
    """Return why no DICOM SEG can be written on this machine, empty when it can."""
    if importlib.util.find_spec("highdicom") is None:
        return "DICOM SEG needs the Python package highdicom, which is not installed."
    return ""


def write_dicom_seg(
    path: Path, labels: sitk.Image, structures: Sequence[Structure], slices: Sequence[Path], *, automatic: bool
) -> None:
    """Write a labelmap as DICOM SEG with one segment for each structure, on the slices of its scan.

    Args:
        path: Path of the new file.
        labels: Label values, uint8, on a grid whose voxels are those of the slices, in any order and direction.
        structures: Structures; their terminology, if they have one, becomes the codes of the segments.
        slices: DICOM files of the scan, one slice each.
        automatic: Whether a model made the segmentation without a person's corrections.

    Raises:
        UserError: A slice is missing or unusable, the labelmap is on another grid, or the file cannot be written.
    """
    import highdicom

    sources = [_read_slice(file) for file in slices]
    descriptions = [_description(number, structure, automatic) for number, structure in enumerate(structures, 1)]
    segmentation = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=_segment_numbers(labels, structures, sources),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_PROGRAM,
        manufacturer_model_name=_PROGRAM,
        software_versions=__version__,
        device_serial_number="1",
        content_label="SEGMENTATION",
        series_description=f"{_PROGRAM} segmentation",
    )
    with atomic_path(path) as temporary:
        segmentation.save_as(temporary)


def _read_slice(path: Path) -> Any:
    import pydicom

    try:
        source = pydicom.dcmread(path)
    except (OSError, pydicom.errors.InvalidDicomError) as error:
        raise UserError(f"The DICOM file {path.name} of the scan could not be read.", "Restore the scan.") from error
    if "ImagePositionPatient" not in source or "ImageOrientationPatient" not in source:
        raise UserError(
            f"The DICOM file {path.name} does not hold one slice with its position.",
            "Export as segmentation or labelmap instead.",
        )
    return source


def _segment_numbers(labels: sitk.Image, structures: Sequence[Structure], sources: Sequence[Any]) -> np.ndarray:
    """Return segment numbers (slices, rows, columns) in the order of the sources; raises UserError for another grid."""
    frames = np.stack([_on_slice(labels, _grid(source)) for source in sources])
    if np.count_nonzero(frames) != np.count_nonzero(sitk.GetArrayViewFromImage(labels)):
        raise _other_grid()
    lookup = np.zeros(256, np.uint8)
    for number, structure in enumerate(structures, 1):
        lookup[structure.label] = number
    return lookup[frames]


def _on_slice(labels: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """Return the label values (rows, columns) on a slice; raises UserError if its voxels lie between voxels."""
    columns, rows, _ = grid.GetSize()
    for corner in ((0, 0, 0), (columns - 1, 0, 0), (0, rows - 1, 0)):
        index = np.array(labels.TransformPhysicalPointToContinuousIndex(grid.TransformIndexToPhysicalPoint(corner)))
        if np.any(np.abs(index - np.rint(index)) > _TOLERANCE):
            raise _other_grid()
    flat = sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(flat)[0]


def _other_grid() -> UserError:
    return UserError(
        "The segmentation does not lie on the slices of the DICOM scan.",
        "Export it as segmentation or labelmap instead.",
    )


def _grid(source: Any) -> sitk.Image:
    rows, columns = np.array(source.ImageOrientationPatient, float).reshape(2, 3)
    grid = sitk.Image([int(source.Columns), int(source.Rows), 1], sitk.sitkUInt8)
    grid.SetOrigin([float(part) for part in source.ImagePositionPatient])
    between_rows, between_columns = (float(part) for part in source.PixelSpacing)
    grid.SetSpacing([between_columns, between_rows, 1.0])
    grid.SetDirection(np.column_stack([rows, columns, np.cross(rows, columns)]).ravel().tolist())
    return grid


def _description(number: int, structure: Structure, automatic: bool) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=_PROGRAM, version=__version__, family=codes.cid7162.ArtificialIntelligence
    )
    category, kind = (highdicom.sr.CodedConcept(*code) for code in terminology_codes(structure.terminology))
    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=kinds.AUTOMATIC if automatic else kinds.SEMIAUTOMATIC,
        algorithm_identification=algorithm,
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.color),
    )


def terminology_codes(entry: str | None) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """Return category and type (value, scheme, meaning) of a 3D Slicer terminology entry, tissue without one.

    An entry reads: context ~ scheme^value^meaning of the category ~ the same of the type ~ further parts.
    """
    parts = [_code(part) for part in (entry or "").split("~")[1:3]]
    category, kind = (*parts, None, None)[:2]
    return category or _TISSUE, kind or _TISSUE


def _code(text: str) -> tuple[str, str, str] | None:
    parts = text.split("^")
    if len(parts) != 3 or not all(parts):
        return None
    scheme, value, meaning = parts
    return value, scheme, meaning

"""The headers of DICOM files as frames: single slices and the frames of enhanced objects alike."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import UserError
from .integrity import damaged
from .paths import check_is_text

_SUFFIXES = (".dcm", ".ima")
# In the names of the classes of objects with an image.
_IMAGES = ("Image Storage", "Volume Storage")
# What pydicom raises for bytes that are no DICOM, and conversions for values that are no numbers.
_DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
_PALETTE_SAMPLES = 3
_MARK = b"DICM"
_MARK_END = 132
_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]


@dataclass(frozen=True)
class Frame:
    """One slice of a DICOM image.

    Attributes:
        path: File of the slice.
        index: Number of the frame in its file, from 0.
        series: Identifier of the series.
        number: Number of the series as scanners show it.
        instance: Identifier of the file.
        size: Rows and columns.
        samples: Values per pixel.
        place: Position of the first pixel in mm, None where the header has none.
        axes: Directions of rows and of columns, None where the header has none.
        spacing: Distances between rows and between columns in mm, None where the header has none.
        thickness: Thickness of the slice in mm, None where the header has none.
        scales: Rescale slope and intercept of each frame of the file, None where GDCM applies the only one.
    """

    path: Path
    index: int
    series: str
    number: str
    instance: str
    size: tuple[int, int]
    samples: int
    place: tuple[float, ...] | None
    axes: tuple[tuple[float, ...], tuple[float, ...]] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    scales: tuple[tuple[float, float], ...] | None

    def read_file(self) -> np.ndarray:
        """Return the rescaled values (frames, rows, columns) of the file; raises UserError when it is damaged."""
        check_is_text(self.path)
        if self.scales is not None:
            return _read_with_own_scales(self.path, self.scales)
        reader = sitk.ImageFileReader()
        # By their names and beginnings alone, ITK does not know all DICOM files.
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(self.path))
        try:
            voxels = sitk.GetArrayFromImage(reader.Execute())
        except (RuntimeError, MemoryError) as error:
            raise damaged(self.path) from error
        return voxels.reshape(-1, *self.size)


def claims_to_be_dicom(path: Path) -> bool:
    """Return whether a file has the suffix or the mark of a DICOM file, and is no index or side file."""
    if path.name.upper() == "DICOMDIR" or path.name.startswith("._"):
        return False
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(_MARK_END)[-len(_MARK) :] == _MARK
    except OSError:
        return False


def read_dicom_header(path: Path) -> Any | None:
    """Return the header of a DICOM image, None for other files and for objects without an image of their own.

    Structure sets, reports, documents, presentation states and segmentations lie beside images in archives. Raises
    UserError for a file that should be an image and is damaged.
    """
    import pydicom

    if not claims_to_be_dicom(path):
        return None
    # Files from before the mark was agreed on have the suffix only.
    force = path.suffix.lower() in _SUFFIXES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=force)
            kind = str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or "")
            rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    except damages() as error:
        raise damaged(path) from error
    name = pydicom.uid.UID(kind).name
    is_known, is_image = name != kind, any(part in name for part in _IMAGES)
    if kind and not is_image and (is_known or not rows):
        return None
    if rows < 1 or columns < 1:
        raise damaged(path)
    return header


def frames_of(path: Path, header: Any) -> list[Frame]:
    """Return the frames of a DICOM image; raises UserError when its header is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _frames(path, header)
    except damages() as error:
        raise damaged(path) from error


def damages() -> tuple[type[Exception], ...]:
    """Return what pydicom raises for files that are damaged or no DICOM."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (*_DAMAGES, BytesLengthException, InvalidDicomError)


def _frames(path: Path, header: Any) -> list[Frame]:
    count = int(header.get("NumberOfFrames", 1) or 1)
    size = (int(header.Rows), int(header.Columns))
    samples = int(header.get("SamplesPerPixel", 1) or 1)
    _check_length(path, header, count * size[0] * size[1] * samples)
    _check_bits(path, header)
    # GDCM looks the colours of a palette up, three values for each pixel.
    samples = _PALETTE_SAMPLES if header.get("PhotometricInterpretation") == "PALETTE COLOR" else samples
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    per_frame = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    groups = [
        [group for group in (per_frame[index] if index < len(per_frame) else None, shared) if group]
        for index in range(count)
    ]
    scales = tuple(_scale(header, items) for items in groups)
    frames = []
    for index, items in enumerate(groups):
        spacing = _numbers(header, items, "PixelMeasuresSequence", "PixelSpacing", 2)
        spacing = spacing or _numbers(header, [], "", "ImagerPixelSpacing", 2)
        axes = _numbers(header, items, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
        thickness = _numbers(header, items, "PixelMeasuresSequence", "SliceThickness", 1)
        frames.append(
            Frame(
                path=path,
                index=index,
                series=str(header.get("SeriesInstanceUID", "")),
                number=str(header.get("SeriesNumber", "") or "?"),
                instance=str(header.get("SOPInstanceUID", "")),
                size=size,
                samples=samples,
                place=_numbers(header, items, "PlanePositionSequence", "ImagePositionPatient", 3),
                axes=None if axes is None else (axes[:3], axes[3:]),
                spacing=None if spacing is None or min(spacing) <= 0 else (spacing[0], spacing[1]),
                thickness=thickness[0] if thickness and thickness[0] > 0 else None,
                # One scale for all frames is applied by GDCM, several are not.
                scales=scales if len(set(scales)) > 1 else None,
            )
        )
    return frames


def _numbers(header: Any, groups: list[Any], sequence: str, name: str, count: int) -> tuple[float, ...] | None:
    """Return finite numbers of a functional group, or of the header where no group has them."""
    items = [group.get(sequence)[0] for group in groups if group.get(sequence)]
    values = next((value for item in (*items, header) if (value := item.get(name)) not in (None, "")), None)
    if values is None:
        return None
    numbers = tuple(float(value) for value in ([values] if count == 1 else values))
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(name)
    return numbers


def _scale(header: Any, groups: list[Any]) -> tuple[float, float]:
    slope = _numbers(header, groups, "PixelValueTransformationSequence", "RescaleSlope", 1)
    intercept = _numbers(header, groups, "PixelValueTransformationSequence", "RescaleIntercept", 1)
    return (slope or (1.0,))[0], (intercept or (0.0,))[0]


def _check_length(path: Path, header: Any, values: int) -> None:
    # GDCM fills up pixels that are missing at the end of a file.
    syntax = header.file_meta.get("TransferSyntaxUID")
    is_native = syntax is None or not syntax.is_compressed
    if is_native and path.stat().st_size < values * int(header.get("BitsAllocated", 8) or 8) // 8:
        raise damaged(path)


def _check_bits(path: Path, header: Any) -> None:
    # A layout from before DICOM was fixed, with the value in the upper bits; GDCM cuts it off instead of moving it.
    stored = int(header.get("BitsStored", 0) or 0)
    if stored and int(header.get("HighBit", stored - 1)) != stored - 1:
        raise UserError(
            f"{path.name} stores its pixels in an outdated layout, in which they are not in the lowest bits.",
            "Convert it with a DICOM toolkit, or export it again.",
        )


def _read_with_own_scales(path: Path, scales: tuple[tuple[float, float], ...]) -> np.ndarray:
    import pydicom

    try:
        stored = pydicom.dcmread(path).pixel_array
    except (OSError, ValueError, RuntimeError, NotImplementedError, AttributeError, ImportError) as error:
        raise UserError(
            f"The frames of {path.name} have scales of their own and are compressed, which cannot be read.",
            "Load it in 3D Slicer, save the volume as NRRD, and add that file.",
        ) from error
    slopes, intercepts = np.array(scales, dtype=np.float64).T[..., None, None]
    return (stored * slopes + intercepts).astype(np.float32)

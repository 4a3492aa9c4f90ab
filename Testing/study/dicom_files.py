"""Single DICOM files with a given geometry, as scanners write them and as they should not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

CT, ENHANCED_CT, STRUCTURE_SET, REPORT = (
    UID(f"1.2.840.10008.5.1.4.1.1.{end}") for end in ("2", "2.1", "481.3", "88.11")
)
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
PIXELS = ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
Change = Callable[[Dataset], None]


def write_slice(
    path: Path,
    voxels: np.ndarray,
    place: Sequence[float] = (0.0, 0.0, 0.0),
    *,
    series: str = "1.2.3.4",
    kind: UID = CT,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    scale: tuple[float, float] = (1.0, 0.0),
    change: Change = lambda dataset: None,
) -> None:
    """Write pixels (rows, columns) or frames (frames, rows, columns) as a DICOM file; `change` has the last word."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SeriesNumber = "1.2.3", series, 7
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = list(place), list(orientation)
    dataset.PixelSpacing, dataset.SliceThickness = [0.5, 0.5], 2
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = voxels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = scale
    dataset.PixelData = voxels.astype("<i2").tobytes()
    change(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def write_volume(folder: Path, voxels: np.ndarray, places: Sequence[Sequence[float]], **more: object) -> None:
    """Write one file for each slice of a volume (slices, rows, columns)."""
    for number, (pixels, place) in enumerate(zip(voxels, places, strict=True)):
        write_slice(folder / f"{number:02d}.dcm", pixels, place, **more)


def without(*names: str) -> Change:
    """Leave elements out."""

    def change(dataset: Dataset) -> None:
        for name in names:
            delattr(dataset, name)

    return change


def in_frames(places: Sequence[Sequence[float]], scales: Sequence[tuple[float, float]]) -> Change:
    """Give an enhanced object its geometry for each frame; one scale is shared, several are given for each frame."""

    def change(dataset: Dataset) -> None:
        without(*GEOMETRY, "RescaleSlope", "RescaleIntercept")(dataset)
        dataset.NumberOfFrames = len(places)
        shared = Dataset()
        shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.5, 0.5], SliceThickness=2)]
        shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
        transformations = [_item(RescaleSlope=slope, RescaleIntercept=intercept) for slope, intercept in scales]
        if len(transformations) == 1:
            shared.PixelValueTransformationSequence = transformations
        dataset.SharedFunctionalGroupsSequence = [shared]
        frames = [_item(PlanePositionSequence=[_item(ImagePositionPatient=list(place))]) for place in places]
        for frame, transformation in zip(frames, transformations if len(transformations) > 1 else [], strict=False):
            frame.PixelValueTransformationSequence = [transformation]
        dataset.PerFrameFunctionalGroupsSequence = frames

    return change


def _item(**values: object) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item

"""A DICOM series with the voxels of an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

_EMPTY = ("PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber", "ReferringPhysicianName")


def write_scan(folder: Path, image_path: Path) -> dict[str, Path]:
    """Write one file for each slice of an image and return the files by their SOP instance UIDs."""
    image = sitk.ReadImage(str(image_path))
    folder.mkdir()
    uids = {name: pydicom.uid.generate_uid() for name in ("study", "series", "frame")}
    files = {}
    for number in range(image.GetSize()[2]):
        dataset = _slice(uids, number)
        _put_geometry(dataset, image, number)
        voxels = sitk.GetArrayViewFromImage(image)[number]
        dataset.Rows, dataset.Columns = voxels.shape
        dataset.PixelData = voxels.astype(np.int16).tobytes()
        # The order of the names is not that of the slices.
        path = folder / f"{image.GetSize()[2] - 1 - number}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        files[dataset.SOPInstanceUID] = path
    return files


def _put_geometry(dataset: pydicom.Dataset, image: sitk.Image, number: int) -> None:
    axes = np.array(image.GetDirection()).reshape(3, 3)
    place = image.TransformIndexToPhysicalPoint((0, 0, number))
    dataset.ImageOrientationPatient = [round(part, 9) for part in (*axes[:, 0], *axes[:, 1])]
    dataset.ImagePositionPatient = [round(part, 6) for part in place]
    width, height, thickness = image.GetSpacing()
    dataset.PixelSpacing, dataset.SliceThickness = [round(height, 9), round(width, 9)], round(thickness, 9)


def _slice(uids: dict[str, str], number: int) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uids["study"], uids["series"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = uids["frame"], ""
    dataset.PatientName, dataset.PatientID = "Phantom^Made Up", "P1"
    for name in _EMPTY:
        setattr(dataset, name, "")
    dataset.StudyDate, dataset.StudyTime = "20260101", "120000"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, number + 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    return dataset

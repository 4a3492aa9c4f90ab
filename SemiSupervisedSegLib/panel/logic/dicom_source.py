"""The DICOM files of an image, stored with it so that results can be exported as DICOM."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ...study.dicom import series_files
from ...study.images import read_header

# The attribute that Slicer's DICOM module gives to volumes it loads.
ATTRIBUTE = "DICOM.instanceUIDs"
_SOP_INSTANCE_UID = "0008|0018"


def instance_uids(image: Path | str) -> tuple[str, ...]:
    """Return the SOP instance UIDs of an image's slices, empty when it did not come from DICOM.

    `image` is a DICOM series folder or a file that was exported from the scene. Raises UserError when it cannot be
    read.
    """
    image = Path(image)
    if image.is_dir():
        return tuple(_slice_uid(file) for file in series_files(image))
    header = read_header(image)
    return tuple(header.GetMetaData(ATTRIBUTE).split()) if header.HasMetaDataKey(ATTRIBUTE) else ()


def _slice_uid(file: str) -> str:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader.GetMetaData(_SOP_INSTANCE_UID).strip().strip("\0")

"""The DICOM files that an image of a study came from."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ...study.dicom import series_files
from ...study.errors import UserError
from ..logic.dicom_database import DicomDatabase
from ..logic.dicom_source import instance_uids


def comesFromDicom(image: Path) -> bool:
    """Return whether an image is a DICOM series, or was taken from one that Slicer had loaded."""
    try:
        return image.is_dir() or bool(instance_uids(image))
    except UserError:
        return False


def findSlices(image: Path) -> list[Path]:
    """Return the DICOM files of the slices of an image, none when it did not come from DICOM.

    Raises UserError when the files are not in Slicer's DICOM database any more.
    """
    if image.is_dir():
        return [Path(file) for file in series_files(image)]
    uids = instance_uids(image)
    database = dicomDatabase()
    files = [database.fileForInstance(uid) if database is not None else "" for uid in uids]
    if not all(files):
        raise UserError(
            _("The DICOM files that {name} came from are not in Slicer's DICOM database.").format(name=image.name),
            _("Import the scan in the DICOM module again, or export as segmentation or labelmap."),
        )
    return [Path(file) for file in files]


def dicomDatabase() -> DicomDatabase | None:
    """Return the DICOM database of Slicer, None where there is none or none is open."""
    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None

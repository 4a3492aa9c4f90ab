"""The files of one DICOM series in a folder, complete and in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import UserError
from .integrity import damaged

_POSITION = "0020|0032"
_ORIENTATION = "0020|0037"
# Scanners round positions; a missing slice is off by a whole distance.
_UNEVEN = 0.1


def series_files(folder: Path) -> list[str]:
    """The slice files of the only series in `folder`, sorted by position.

    Raises UserError when there is none, more than one, a damaged file, or a missing slice: GDCM leaves out files it
    cannot read and stretches the distance of the others, which nobody would notice.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise UserError(f"The folder {folder.name} has no DICOM series that can be read.", "Choose another folder.")
    if len(series) > 1:
        raise UserError(
            f"The folder {folder.name} has {len(series)} DICOM series.", "Put each series into a folder of its own."
        )
    files = list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0]))
    used = {Path(file).name for file in files}
    for path in sorted(folder.iterdir()):
        if path.name not in used and path.is_file() and _claims_to_be_dicom(path):
            raise damaged(path)
    _check_even(folder, files)
    return files


def _claims_to_be_dicom(path: Path) -> bool:
    if path.suffix.lower() in (".dcm", ".ima"):
        return True
    if path.name.upper() == "DICOMDIR":
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _check_even(folder: Path, files: list[str]) -> None:
    places = [_place(Path(file)) for file in files]
    if len(places) < 3 or any(place is None for place in places):
        return
    steps = np.diff(np.array(places))
    if np.any(np.abs(steps - np.median(steps)) > _UNEVEN * abs(np.median(steps))):
        raise UserError(
            f"The slices of the DICOM series in {folder.name} are not evenly spaced; some may be missing.",
            "Export the series again with all of its slices.",
        )


def _place(path: Path) -> float | None:
    """How far along the slice normal a slice lies in mm, None if its header does not say."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if not (reader.HasMetaDataKey(_POSITION) and reader.HasMetaDataKey(_ORIENTATION)):
            return None
        position = np.array([float(part) for part in reader.GetMetaData(_POSITION).split("\\")])
        axes = np.array([float(part) for part in reader.GetMetaData(_ORIENTATION).split("\\")]).reshape(2, 3)
        return float(position @ np.cross(axes[0], axes[1]))
    except (ValueError, RuntimeError) as error:
        raise damaged(path) from error

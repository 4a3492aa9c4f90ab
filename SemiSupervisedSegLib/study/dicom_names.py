"""What DICOM headers call an image: patient, series and date, for names that are shown and for nothing else."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from .dicom_frames import claims_to_be_dicom, damages
from .names import printable_name

_TAGS = ["PatientName", "PatientID", "SeriesDescription", "SeriesNumber", "StudyDate", "Modality", "SeriesInstanceUID"]
_DATE_DIGITS = 8


@dataclass(frozen=True)
class SeriesNames:
    """Names of a DICOM series; each is empty where the header has none.

    Attributes:
        patient: Name of the patient, the identifier where there is no name.
        description: Description of the series.
        number: Number of the series.
        date: Date of the examination, such as 2026-05-03.
        modality: Modality of the images, such as MR.
        series: Identifier of the series.
    """

    patient: str = ""
    description: str = ""
    number: str = ""
    date: str = ""
    modality: str = ""
    series: str = ""

    @property
    def title(self) -> str:
        """Patient, description and number in a line, such as Müller^Anna - LGE 3D (301)."""
        what = f"{self.description} ({self.number})" if self.number else self.description
        return " - ".join(part for part in (self.patient, what.strip()) if part)

    @property
    def pseudonym(self) -> str:
        """Modality and number, such as MR 301, which tell nothing about the patient."""
        return f"{self.modality} {self.number}".strip() or "series"


def series_names(image: Path) -> SeriesNames | None:
    """Return the names of a DICOM file, or of the first one of a folder; None where there are none."""
    files = sorted(image.iterdir()) if image.is_dir() else [image]
    first = next((file for file in files if file.is_file() and claims_to_be_dicom(file)), None)
    return None if first is None else _names_in(first)


def _names_in(file: Path) -> SeriesNames | None:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
            texts = {tag: printable_name(str(header.get(tag) or "")) for tag in _TAGS}
    except damages():
        # Reading it as an image says what is wrong with it.
        return None
    # Several spellings of a name, such as in letters and in ideographs, are separated by =.
    patient = next((part.strip("^ ") for part in texts["PatientName"].split("=") if part.strip("^ ")), "")
    return SeriesNames(
        patient=patient or texts["PatientID"],
        description=texts["SeriesDescription"],
        number=texts["SeriesNumber"],
        date=_readable(texts["StudyDate"]),
        modality=texts["Modality"],
        series=texts["SeriesInstanceUID"],
    )


def _readable(date: str) -> str:
    is_usual = len(date) == _DATE_DIGITS and date.isdigit()
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if is_usual else date

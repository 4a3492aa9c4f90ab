"""Series of Slicer's DICOM database as images of a study.

The database is an object with the methods of ctkDICOMDatabase that are used here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...study.dicom_names import SeriesNames, series_names
from ...study.files import atomic_folder
from ...study.names import free_id, id_from_name


class DicomDatabase(Protocol):
    """What is used of a ctkDICOMDatabase; all identifiers are texts."""

    def patients(self) -> Sequence[str]:
        """Return the patients."""
        ...

    def studiesForPatient(self, patient: str) -> Sequence[str]:
        """Return the examinations of a patient."""
        ...

    def seriesForStudy(self, study: str) -> Sequence[str]:
        """Return the series of an examination."""
        ...

    def filesForSeries(self, series: str) -> Sequence[str]:
        """Return the files of a series."""
        ...


@dataclass(frozen=True)
class DatabaseSeries:
    """A series with its names and its files."""

    names: SeriesNames
    files: tuple[Path, ...]

    @property
    def label(self) -> str:
        """Patient, date, series and number of files, for a list."""
        date = f", {self.names.date}" if self.names.date else ""
        count = len(self.files)
        return f"{self.names.title}{date}: {count} file{'' if count == 1 else 's'}"


def series_in(database: DicomDatabase) -> Iterator[list[DatabaseSeries]]:
    """Find the series whose files are there, by patient and examination, and yield those found so far after each."""
    found: list[DatabaseSeries] = []
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            for series in database.seriesForStudy(study):
                files = tuple(sorted(Path(file) for file in database.filesForSeries(series)))
                names = series_names(files[0]) if files and all(file.is_file() for file in files) else None
                if names is not None:
                    found.append(DatabaseSeries(names, files))
                yield found


def image_of(series: DatabaseSeries, folder: Path) -> tuple[Path, bool]:
    """Return the image of a series, and whether it was copied into a folder.

    A single file, or the folder that has the series and nothing else, is used where it is; otherwise the files are
    copied into a new folder, whose name tells nothing about the patient.

    Args:
        series: Series of the database.
        folder: Folder of the images of the study.

    Raises:
        UserError: The files cannot be copied.
    """
    if len(series.files) == 1:
        return series.files[0], False
    place = series.files[0].parent
    if {path for path in place.iterdir() if path.is_file()} == set(series.files):
        return place, False
    taken = {path.name.casefold() for path in folder.iterdir()} if folder.is_dir() else set()
    target = folder / pseudonymous_id(series.names, taken)
    with atomic_folder(target) as new:
        for number, file in enumerate(series.files):
            shutil.copyfile(file, new / f"{number:05d}.dcm")
    return target, True


def pseudonymous_id(names: SeriesNames, taken: set[str]) -> str:
    """Return an id that is not in `taken` (in lower case) and tells nothing about the patient, such as MR-301."""
    return free_id(taken, id_from_name(names.pseudonym))

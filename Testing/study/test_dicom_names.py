from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from SemiSupervisedSegLib.study.dicom_names import SeriesNames, series_names

from .dicom_files import write_slice


def write(folder: Path, **values: str) -> Path:
    def change(dataset):
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for name, value in values.items():
            setattr(dataset, name, value)

    write_slice(folder / "0.dcm", np.zeros((4, 5)), change=change)
    return folder


def test_patient_series_and_date_come_from_the_headers(tmp_path):
    values = {"PatientName": "Müller^Anna", "SeriesDescription": "LGE 3D", "SeriesNumber": "301", "Modality": "MR"}
    names = series_names(write(tmp_path / "x", **values, StudyDate="20260503"))
    assert names == SeriesNames("Müller^Anna", "LGE 3D", "301", "2026-05-03", "MR", "1.2.3.4")
    assert (names.title, names.pseudonym) == ("Müller^Anna - LGE 3D (301)", "MR 301")


@pytest.mark.parametrize(
    ("values", "title"),
    [
        ({"PatientName": "", "PatientID": "P 7"}, "P 7 - (7)"),
        ({"PatientName": "Yamada^Tarou=山田^太郎"}, "Yamada^Tarou - (7)"),
        ({"SeriesDescription": "T2\tax\r\n", "SeriesNumber": ""}, "T2 ax"),
        ({"SeriesNumber": ""}, ""),
    ],
)
def test_what_headers_leave_out_is_left_out(tmp_path, values, title):
    assert series_names(write(tmp_path / "x", **values)).title == title


def test_other_and_damaged_files_have_no_names(tmp_path):
    (tmp_path / "a.nrrd").write_text("NRRD0004")
    (tmp_path / "b.dcm").write_bytes(b"\x00" * 128 + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff")
    assert series_names(tmp_path / "a.nrrd") is None
    assert series_names(tmp_path / "b.dcm") in (None, SeriesNames())

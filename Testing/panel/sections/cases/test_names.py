"""Names as the user knows them, from files and DICOM headers to tables, views and questions."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
import slicer

from SemiSupervisedSegLib.panel.scene.volumes import addVolume
from SemiSupervisedSegLib.study.names import rename_case
from SemiSupervisedSegLib.study.store import load_study

from ...studies import make_study, write_volume

NAME = "Patient 03 (à revoir)"


def column(section, number: int = 0) -> list[str]:
    return [section.model.data(section.model.index(row, number)) for row in range(section.model.rowCount())]


def add_files(section, dialogs, spin, *files: Path) -> None:
    dialogs.answer("chooseFiles", [str(file) for file in files])
    section.ui.addFilesButton.click()
    spin(lambda: not section.adder.busy)


def test_the_table_shows_the_name_of_a_file_and_finds_it(opened, dialogs, spin, tmp_path):
    opened.ui.addSiteBox.setEditText("Hôpital Müller (A)")
    add_files(opened, dialogs, spin, write_volume(tmp_path / f"{NAME}.nii.gz", 9))
    assert column(opened)[-1] == NAME
    assert column(opened, 1)[-1] == "Hôpital Müller (A)"
    opened.ui.filterEdit.text = "à REVOIR"
    assert column(opened) == [NAME]
    assert load_study(opened._session.folder).cases[-1].id == "Patient-03-a-revoir"


def test_a_dicom_series_is_shown_by_its_headers_and_stored_without_them(opened, dialogs, spin, tmp_path):
    pytest.importorskip("pydicom")
    from Testing.study.dicom_scan import write_scan

    for number in (1, 2):
        write_scan(tmp_path / f"s{number}", write_volume(tmp_path / "x.nrrd", number + 20))
    dialogs.answer("chooseFolder", str(tmp_path / "s1"), str(tmp_path / "s2"))
    for _ in range(2):
        opened.ui.addFolderButton.click()
        spin(lambda: not opened.adder.busy)
    assert dialogs.messages == []
    assert column(opened)[-2:] == ["Phantom^Made Up - (1)", "Phantom^Made Up - (1), 2026-01-01"]
    assert [case.id for case in load_study(opened._session.folder).cases[-2:]] == ["s1", "s2"]


def test_volumes_of_the_scene_keep_their_names(opened, dialogs, spin, tmp_path):
    addVolume(write_volume(tmp_path / "a.nrrd", 30), "Séquence 3D LGE n°1")
    dialogs.answer("chooseItems", [0])
    opened.ui.addVolumesButton.click()
    spin(lambda: not opened.adder.busy)
    assert column(opened)[-1] == "Séquence 3D LGE n°1"
    assert load_study(opened._session.folder).cases[-1].image == "images/Sequence-3D-LGE-n-1.nrrd"


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Slicer's DICOM database: a series in a folder of its own, and two that share the folder of a patient's disc."""
    pytest.importorskip("pydicom")
    from Testing.study.dicom_scan import write_scan

    files = {}
    for number in (1, 2, 3):
        scan = write_scan(tmp_path / f"scan{number}", write_volume(tmp_path / "x.nrrd", number + 40))
        files[f"series{number}"] = sorted(scan.values())
    disc = tmp_path / "MUELLER^ANNA"
    disc.mkdir()
    for number in (2, 3):
        moved = [path.rename(disc / f"{number}-{path.name}") for path in files[f"series{number}"]]
        files[f"series{number}"] = moved
    files["gone"] = [tmp_path / "gone.dcm"]
    made = types.SimpleNamespace(
        isOpen=True,
        patients=lambda: ("1", "2"),
        studiesForPatient=lambda patient: {"1": ("a", "b"), "2": ("c",)}[patient],
        seriesForStudy=lambda study: {"a": ("series1", "gone"), "b": ("series2",), "c": ("series3",)}[study],
        filesForSeries=lambda series: tuple(map(str, files[series])),
    )
    monkeypatch.setattr(slicer, "dicomDatabase", made, raising=False)
    return files


def test_series_of_the_dicom_database_are_chosen_by_patient(opened, database, dialogs, spin, tmp_path):
    opened.enter()
    dialogs.answer("chooseItems", [0, 2])
    opened.ui.addDatabaseButton.click()
    spin(lambda: not opened.adder.busy)
    assert dialogs.messages == []
    assert dialogs.offered == ["Phantom^Made Up - (1), 2026-01-01: 6 files"] * 3
    study = load_study(opened._session.folder)
    first, second = study.cases[4:]
    assert study.image_path(first) == tmp_path / "scan1"
    assert (first.id, second.id, second.image) == ("CT-1", "CT-1-2", "images/CT-1")
    assert column(opened)[-2:] == ["Phantom^Made Up - (1)", "Phantom^Made Up - (1), 2026-01-01"]
    originals = {path.read_bytes() for path in database["series3"]}
    assert {path.read_bytes() for path in study.image_path(second).iterdir()} == originals
    assert "MUELLER" not in study.layout.study_file.read_text(encoding="utf-8")


def test_nothing_of_the_database_stays_when_adding_fails(opened, database, dialogs, spin):
    opened.enter()
    damaged = database["series3"][0]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    dialogs.answer("chooseItems", [2])
    opened.ui.addDatabaseButton.click()
    spin(lambda: not opened.adder.busy)
    assert len(dialogs.messages) == 1
    assert not (opened._session.folder / "images" / "CT-1").exists()


def test_without_a_database_the_button_says_why(opened, dialogs, spin, monkeypatch):
    assert "no open DICOM database" in opened.ui.addDatabaseButton.toolTip
    assert not opened.ui.addDatabaseButton.enabled
    monkeypatch.setattr(slicer, "dicomDatabase", types.SimpleNamespace(isOpen=True, patients=tuple), raising=False)
    opened.enter()
    opened.ui.addDatabaseButton.click()
    spin(lambda: not opened.adder.busy)
    assert "no series" in dialogs.messages[0]


def test_views_and_questions_have_the_name_and_follow_a_new_one(makePanel, tmp_path):
    panel = makePanel()
    make_study(tmp_path / "study")
    panel.session.open_study(tmp_path / "study")
    panel.session.edit_study(lambda study: rename_case(study, "case00", NAME))
    panel.session.show("case00")
    nodes = panel.scene.nodes
    assert (nodes.volume.GetName(), nodes.annotation.GetName()) == (NAME, f"{NAME} annotation")
    panel.session.edit_study(lambda study: rename_case(study, "case00", "Patient 4 é"))
    assert panel.scene.nodes.volume is nodes.volume
    assert (nodes.volume.GetName(), nodes.annotation.GetName()) == ("Patient 4 é", "Patient 4 é annotation")
    panel.sections["Cases"].annotationEditor.start("case00")
    assert "Patient 4 é" in panel.editing.ui.editorLabel.text

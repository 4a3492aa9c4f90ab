"""Names as the user knows them, from files and DICOM headers to tables, views and questions."""

from __future__ import annotations

from pathlib import Path

import pytest

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

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer

from SemiSupervisedSegLib.panel.sections.study import StudySection
from SemiSupervisedSegLib.study.model import Modality
from SemiSupervisedSegLib.study.store import load_study

from ..panel_parts import load, makeContext
from ..studies import make_study


@pytest.fixture
def section(scene: Any, services: Any) -> StudySection:
    return StudySection(load("Study"), makeContext(services))


@pytest.fixture
def opened(section: StudySection, tmp_path: Path) -> StudySection:
    make_study(tmp_path / "study", annotated=0)
    section._session.open_study(tmp_path / "study")
    return section


def names(section: StudySection) -> list[str]:
    table = section.ui.structuresTable
    return [table.item(row, 0).text() for row in range(table.rowCount)]


def colour(section: StudySection, row: int) -> str:
    return section.ui.structuresTable.item(row, 1).icon().pixmap(32, 16).toImage().pixelColor(5, 5).name()


def segmentation(*segments: tuple[str, tuple[float, float, float]]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    for name, color in segments:
        node.GetSegmentation().AddEmptySegment("", name, color)
    return node


def test_a_study_is_made_from_the_form(section, dialogs, tmp_path):
    ui = section.ui
    assert not ui.createButton.enabled
    assert "name" in ui.createButton.toolTip
    ui.nameEdit.text = "Livers"
    assert "site" in ui.createButton.toolTip
    ui.siteEdit.text = "Home"
    assert "structure" in ui.createButton.toolTip
    dialogs.answer("askText", "liver", "Liver", "tumor")
    for _ in range(3):
        ui.addStructureButton.click()
    assert "already" in dialogs.messages[0]
    assert names(section) == ["liver", "tumor"]
    ui.modalityBox.setCurrentIndex(1)
    dialogs.answer("chooseFolder", str(tmp_path / "new"))
    ui.createButton.click()
    study = load_study(tmp_path / "new")
    assert (study.name, study.local_site, study.modality) == ("Livers", "Home", Modality.CT)
    assert [(item.name, item.label) for item in study.structures] == [("liver", 1), ("tumor", 2)]
    assert ui.createButton.isHidden()
    assert ui.folderEdit.text == str(study.folder)


def test_structures_come_from_a_segmentation_with_their_colours(section):
    node = segmentation(("kidney", (1.0, 0.0, 0.0)), ("cyst", (0.0, 0.0, 1.0)))
    section.ui.segmentationSelector.setCurrentNode(node)
    section.ui.takeButton.click()
    assert names(section) == ["kidney", "cyst"]
    assert colour(section, 1) == "#0000ff"
    section.ui.takeButton.click()
    assert names(section) == ["kidney", "cyst"]


def test_a_segmentation_without_segments_gives_a_reason(section, dialogs):
    assert "Choose a segmentation" in section.ui.takeButton.toolTip
    section.ui.segmentationSelector.setCurrentNode(segmentation())
    section.ui.takeButton.click()
    assert "no segments" in dialogs.messages[0]


def test_changes_of_an_open_study_are_kept_at_once(opened, dialogs):
    ui, folder = opened.ui, opened._session.folder
    ui.structuresTable.setCurrentCell(1, 0)
    dialogs.answer("askText", "lesion")
    ui.renameStructureButton.click()
    dialogs.answer("chooseColor", (1, 2, 3))
    ui.structuresTable.cellDoubleClicked.emit(1, 1)
    lesion = load_study(folder).structures[1]
    assert (lesion.name, lesion.label, lesion.color) == ("lesion", 2, (1, 2, 3))
    ui.siteEdit.text = "Elsewhere"
    ui.siteEdit.editingFinished.emit()
    ui.modalityBox.setCurrentIndex(1)
    ui.modalityBox.activated.emit(1)
    study = load_study(folder)
    assert (study.local_site, study.modality) == ("Elsewhere", Modality.CT)
    assert [case.site for case in study.cases] == ["Elsewhere", "Away"] * 2, "a new name of the same site"
    ui.siteEdit.text = "Away"
    ui.siteEdit.editingFinished.emit()
    study = load_study(folder)
    assert (study.local_site, study.cases[0].site) == ("Away", "Elsewhere"), "another site becomes the local one"


def test_a_term_is_kept_in_the_study_also_after_annotations(section, dialogs, tmp_path):
    make_study(tmp_path / "study", annotated=2)
    section._session.open_study(tmp_path / "study")
    table = section.ui.structuresTable
    assert table.item(0, 3).text() == "–"
    assert "Tissue" in table.item(0, 3).toolTip()
    entry = "x~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~y~^^~^^"
    dialogs.answer("chooseTerminology", entry, None)
    table.cellDoubleClicked.emit(0, 3)
    section.ui.terminologyButton.click()
    assert table.item(0, 3).text() == "Liver"
    assert [item.terminology for item in load_study(tmp_path / "study").structures] == [entry, None]


def test_a_site_that_cannot_be_used_is_refused_and_the_old_one_shown(opened, dialogs):
    opened.ui.siteEdit.text = ""
    opened.ui.siteEdit.editingFinished.emit()
    assert dialogs.messages
    assert opened.ui.siteEdit.text == "Home"


def test_the_last_structure_of_a_study_stays(opened):
    ui = opened.ui
    ui.structuresTable.setCurrentCell(0, 0)
    ui.removeStructureButton.click()
    assert names(opened) == ["tumor"]
    assert load_study(opened._session.folder).structures[0].label == 2
    assert not ui.removeStructureButton.enabled
    assert "at least one" in ui.removeStructureButton.toolTip


def test_names_stay_once_a_case_is_annotated_and_the_buttons_say_so(section, dialogs, tmp_path):
    make_study(tmp_path / "study", annotated=2)
    section._session.open_study(tmp_path / "study")
    ui = section.ui
    for button in (ui.renameStructureButton, ui.removeStructureButton):
        assert not button.enabled
        assert "case00 is annotated" in button.toolTip
    assert ui.recolorStructureButton.enabled
    dialogs.answer("askText", "vessel", "vessel")
    dialogs.answer("confirm", False, True)
    ui.addStructureButton.click()
    assert "without the new structure: 2." in dialogs.asked[-1]
    assert names(section) == ["liver", "tumor"]
    ui.addStructureButton.click()
    study = load_study(tmp_path / "study")
    assert [(item.name, item.label) for item in study.structures] == [("liver", 1), ("tumor", 2), ("vessel", 3)]
    assert study.case("case00").structures == ("liver", "tumor")


def test_a_folder_without_a_study_is_refused_in_words(section, dialogs, tmp_path):
    dialogs.answer("chooseFolder", str(tmp_path))
    section.ui.openButton.click()
    assert "There is no study" in dialogs.messages[0]
    assert section._session.study is None


def test_closing_empties_the_form(opened):
    opened.ui.closeButton.click()
    assert (opened.ui.folderEdit.text, opened.ui.nameEdit.text, names(opened)) == ("", "", [])
    assert opened.ui.closeButton.isHidden()


def test_nothing_about_the_study_can_be_changed_during_a_training(opened):
    from SemiSupervisedSegLib.panel.logic.state import Run

    opened._session.set_facts(run=Run("001-cu2l"))
    ui = opened.ui
    for widget in (ui.openButton, ui.closeButton, ui.addStructureButton, ui.takeButton, ui.siteEdit):
        assert not widget.enabled
        assert "001-cu2l" in widget.toolTip


@pytest.mark.parametrize("width", [333, 700])
def test_every_button_can_be_clicked_at_every_width(section, width):
    section._widget.resize(width, 900)
    section._widget.show()
    assert section.ui.takeButton.width > 100
    assert section.ui.takeButton.height > 10
    section._widget.hide()


def test_recent_studies_are_offered_again_without_those_that_are_gone(section, tmp_path):
    ui = section.ui
    assert ui.recentBox.isHidden()
    for name in ("first", "second"):
        make_study(tmp_path / name)
        section._session.open_study(tmp_path / name)
    assert ui.recentBox.isHidden()
    section._session.close_study()
    assert not ui.recentBox.isHidden()
    assert [ui.recentBox.itemData(index) for index in (1, 2)] == [str(tmp_path / "second"), str(tmp_path / "first")]
    (tmp_path / "second").rename(tmp_path / "moved")
    ui.recentBox.activated.emit(2)
    assert section._session.folder == tmp_path / "first"
    section._session.close_study()
    assert [ui.recentBox.itemData(index) for index in range(ui.recentBox.count)] == ["", str(tmp_path / "first")]


@pytest.mark.parametrize("agrees", [True, False])
def test_a_study_is_not_made_among_other_files(section, dialogs, tmp_path, agrees):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter.txt").write_text("private")
    section.ui.nameEdit.setText("Leber Müller")
    section.ui.siteEdit.setText("Home")
    dialogs.answer("askText", "liver")
    section.ui.addStructureButton.click()
    dialogs.answer("chooseFolder", str(tmp_path / "data"))
    dialogs.answer("confirm", agrees)
    section.ui.createButton.click()
    assert section._session.folder == (tmp_path / "data" / "Leber-Muller" if agrees else None)
    assert not (tmp_path / "data" / "study.json").exists()

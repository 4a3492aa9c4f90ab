from __future__ import annotations

import dataclasses

import pytest
import qt

from SemiSupervisedSegLib.panel.sections.cases.section import CasesSection
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study, save_study

from ...studies import make_long_study, make_round, make_study


def shown(section: CasesSection) -> list[str]:
    return [section.model.caseId(row) for row in range(section.model.rowCount())]


def test_without_a_study_every_button_says_why(section):
    ui = section.ui
    for button in (ui.addVolumesButton, ui.addFilesButton, ui.addFolderButton, ui.setRoleButton, ui.annotateButton):
        assert not button.enabled
        assert "study" in button.toolTip


def test_status_and_uncertainty_appear_after_a_look_at_the_files(opened, spin, tmp_path):
    (tmp_path / "study" / "images" / "case03.nrrd").unlink()
    make_round(opened._session.study, uncertainties={"case01": 0.37})
    opened._session.refresh_rounds()
    spin(lambda: opened.model.data(opened.model.index(3, 5)) == "missing")
    assert opened.model.data(opened.model.index(1, 4)) == "37 %"


def widen(section: CasesSection, spin, width: int) -> None:
    """Show the section as wide as the panel makes it."""
    section._widget.resize(width, 900)
    section._widget.show()
    spin(lambda: width - 70 < section.ui.casesTable.viewport().width < width)


def test_uncertainty_takes_room_only_when_a_round_has_said_something(opened, spin):
    table = opened.ui.casesTable
    widen(opened, spin, 500)
    assert table.isColumnHidden(4)
    make_round(opened._session.study, uncertainties={"case01": 0.37})
    opened._session.refresh_rounds()
    spin(lambda: not table.isColumnHidden(4))
    opened._session.close_study()
    assert table.isColumnHidden(4)


@pytest.mark.parametrize("width", [333, 500, 700])
def test_columns_fit_at_every_width_and_fill_it(opened, spin, width):
    table = opened.ui.casesTable
    make_round(opened._session.study, uncertainties={"case01": 0.37})
    opened._session.refresh_rounds()
    spin(opened.model.hasUncertainty)
    widen(opened, spin, width)
    shown = [column for column in range(6) if not table.isColumnHidden(column)]
    assert table.horizontalScrollBar().maximum == 0
    assert sum(table.columnWidth(column) for column in shown) == table.viewport().width
    text = table.fontMetrics().horizontalAdvance
    words = {0: "case00", 1: "Home", 2: "unlabeled", 5: "accepted"}
    assert all(table.columnWidth(column) > text(word) for column, word in words.items())
    assert width < 500 or shown == list(range(6))


def test_the_table_grows_with_the_panel_as_far_as_it_has_rows(makePanel, spin, tmp_path):
    panel = makePanel()
    make_long_study(tmp_path / "study", cases=40)
    panel.session.open_study(tmp_path / "study")
    table = panel.sections["Cases"].ui.casesTable
    heights = []
    for height in (700, 2100):
        panel.widget.resize(500, height)
        panel.widget.show()
        spin(lambda height=height: panel.ui.scrollArea.height > 0.8 * height)
        heights.append(table.minimumHeight)
    assert 220 < heights[0] < 0.6 * 700
    rows = 40 * table.rowHeight(0)
    assert rows <= heights[1] < rows + 80
    make_long_study(tmp_path / "few", cases=3)
    panel.session.open_study(tmp_path / "few")
    assert table.minimumHeight == 220


def test_role_and_site_are_set_for_many_and_the_selection_stays(opened):
    ui = opened.ui
    opened.table.select(["case02", "case03"])
    assert opened._session.facts().selected_cases == 2
    assert ", 2 selected" in ui.countLabel.text
    ui.roleBox.setCurrentIndex(ui.roleBox.findData("ignored"))
    ui.setRoleButton.click()
    ui.siteBox.setEditText("Third")
    ui.setSiteButton.click()
    study = load_study(opened._session.folder)
    assert [case.role.value for case in study.cases] == ["labeled", "labeled", "ignored", "ignored"]
    assert [case.site for case in study.cases] == ["Home", "Away", "Third", "Third"]
    assert opened.table.selected() == ["case02", "case03"]
    assert ui.siteBox.findText("Third") >= 0


def test_a_role_that_needs_annotations_is_refused_for_all(opened, dialogs):
    opened.table.select(["case01", "case02"])
    opened.ui.roleBox.setCurrentIndex(opened.ui.roleBox.findData("validation"))
    opened.ui.setRoleButton.click()
    assert "case02 has no annotation" in dialogs.messages[0]
    assert load_study(opened._session.folder).case("case01").role is Role.LABELED


def test_rows_filtered_away_are_not_changed(opened):
    opened.table.select(["case00", "case01", "case02"])
    opened.ui.filterEdit.text = "away"
    assert shown(opened) == ["case01", "case03"]
    assert opened.table.selected() == ["case01"]
    assert opened.ui.countLabel.text == "2 of 4 cases, 1 selected"
    opened.ui.roleFilterBox.setCurrentIndex(opened.ui.roleFilterBox.findData("unlabeled"))
    assert shown(opened) == ["case03"]
    assert not opened.ui.setSiteButton.enabled
    assert "Select" in opened.ui.setSiteButton.toolTip


def test_clicking_a_header_sorts_and_keeps_the_selection(opened):
    opened.table.select(["case01"])
    opened.ui.casesTable.sortByColumn(1, qt.Qt.DescendingOrder)
    assert shown(opened) == ["case02", "case00", "case03", "case01"]
    assert opened.table.selected() == ["case01"]
    rows = [index.row() for index in opened.ui.casesTable.selectionModel().selectedRows()]
    assert rows == [3]


def test_the_site_that_was_typed_stays_with_its_study(opened, tmp_path):
    ui, other = opened.ui, make_study(tmp_path / "other", cases=1)
    save_study(dataclasses.replace(other, local_site="Elsewhere"))
    boxes = (ui.addSiteBox, ui.siteBox)
    for box in boxes:
        assert box.currentText == "Home"
        box.setEditText("Third")
    opened.table.select(["case00"])
    ui.setRoleButton.click()
    assert [box.currentText for box in boxes] == ["Third", "Third"]
    opened._session.open_study(tmp_path / "other")
    assert [box.currentText for box in boxes] == ["Elsewhere", "Elsewhere"]
    opened._session.close_study()
    assert [box.currentText for box in boxes] == ["", ""]


def test_a_double_click_and_enter_show_a_case(opened):
    opened.ui.casesTable.activated.emit(opened.model.index(2, 0))
    assert opened._session.case_id == "case02"
    opened.ui.casesTable.setCurrentIndex(opened.model.index(1, 5))
    enter = qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier)
    qt.QApplication.sendEvent(opened.ui.casesTable, enter)
    assert opened._session.case_id == "case01"


def test_one_row_is_needed_to_annotate(opened):
    opened.table.select(["case01", "case02"])
    assert "exactly one" in opened.ui.annotateButton.toolTip
    opened.table.select(["case01"])
    assert opened.ui.annotateButton.enabled


def test_cases_are_removed_after_a_question_and_their_files_stay(opened, dialogs):
    folder = opened._session.folder
    opened.table.select(["case00", "case02"])
    dialogs.answer("confirm", False, True)
    opened.ui.removeButton.click()
    assert opened.model.total() == 4
    opened.ui.removeButton.click()
    assert shown(opened) == ["case01", "case03"]
    assert (folder / "annotations" / "case00.seg.nrrd").exists()
    assert opened.table.selected() == []


def test_a_thousand_cases_change_at_once(section, dialogs, tmp_path, spin):
    make_long_study(tmp_path / "study")
    section._session.open_study(tmp_path / "study")
    ui = section.ui
    spin(lambda: section.model.data(section.model.index(999, 5)) == "missing", timeout=20)
    ui.casesTable.selectAll()
    ui.siteBox.setEditText("Everywhere")
    ui.setSiteButton.click()
    assert {case.site for case in load_study(section._session.folder).cases} == {"Everywhere"}
    assert len(section.table.selected()) == 1000

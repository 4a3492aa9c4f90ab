"""The menus of the table of cases, and what is written into its cells."""

from __future__ import annotations

from typing import Any

import pytest
import qt

from SemiSupervisedSegLib.panel.sections.cases.model import NAME, ROLE, SITE
from SemiSupervisedSegLib.study.store import load_study


def entry(menu: Any, text: str) -> Any:
    return next(action for action in menu.actions() if action.text == text)


def click(menu: Any, text: str) -> None:
    action = entry(menu, text)
    menu.close()
    action.trigger()


def submenu(menu: Any, text: str) -> Any:
    return next(child for child in menu.findChildren(qt.QMenu) if child.title == text)


def context_menu(section: Any, *cases: str) -> Any:
    section.table.select(list(cases))
    row = section.ui.casesTable.visualRect(section.model.index(section.model.rowOf(cases[0]), 0))
    section.ui.casesTable.customContextMenuRequested.emit(row.center())
    return section.menu._menu


def case(section: Any, case_id: str) -> Any:
    return load_study(section._session.folder).case(case_id)


def show(section: Any, spin: Any) -> None:
    """Show the section once the files of its cases are known, which fills the table anew."""
    section._widget.show()
    spin(lambda: section._looking is None)


def write(section: Any, text: str) -> None:
    """Write into the cell that is being edited, as a person does."""
    editor = section.ui.casesTable.viewport().findChildren(qt.QLineEdit)[-1]
    editor.setText(text)
    qt.QApplication.sendEvent(editor, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier))


def test_the_menu_does_what_the_buttons_do(opened, dialogs):
    menu = context_menu(opened, "case01")
    texts = [action.text for action in menu.actions() if action.text]
    assert texts == ["Show", "Annotate", "Rename…", "Role", "Site", "Annotation from file…", "Remove"]
    entry(menu, "Show").trigger()
    assert opened._session.case_id == "case01"
    entry(context_menu(opened, "case01"), "Annotate").trigger()
    assert opened.annotationEditor.caseId == "case01"
    opened.annotationEditor.discard()
    dialogs.answer("confirm", True)
    entry(context_menu(opened, "case03"), "Remove").trigger()
    assert opened.model.total() == 3


def test_what_cannot_be_done_is_grey_and_says_why(opened):
    menu = context_menu(opened, "case01", "case02")
    for text in ("Show", "Annotate", "Rename…"):
        assert not entry(menu, text).enabled
    assert "exactly one" in entry(menu, "Show").toolTip
    assert entry(menu, "Remove").enabled


def test_role_and_site_of_all_selected_rows_come_from_the_menu(opened, dialogs):
    menu = context_menu(opened, "case02", "case03")
    assert entry(submenu(menu, "Role"), "unlabeled").checked
    assert not entry(submenu(menu, "Site"), "Home").checked
    entry(submenu(menu, "Role"), "ignored").trigger()
    entry(submenu(context_menu(opened, "case02", "case03"), "Site"), "Home").trigger()
    assert [(case(opened, name).role.value, case(opened, name).site) for name in ("case02", "case03")] == [
        ("ignored", "Home"),
        ("ignored", "Home"),
    ]
    entry(submenu(context_menu(opened, "case02"), "Role"), "labeled").trigger()
    assert "case02 has no annotation" in dialogs.messages[0]


@pytest.mark.parametrize(("column", "choice", "field"), [(ROLE, "validation", "role"), (SITE, "Away", "site")])
def test_a_double_click_on_a_role_or_site_offers_the_others(opened, column, choice, field):
    opened.ui.casesTable.activated.emit(opened.model.index(0, column))
    assert opened._session.case_id is None
    assert opened.table.selected() == ["case00"]
    entry(opened.menu._menu, choice).trigger()
    assert getattr(case(opened, "case00"), field) == choice


def test_a_case_is_renamed_in_its_row(opened, spin, dialogs):
    show(opened, spin)
    click(context_menu(opened, "case01"), "Rename…")
    write(opened, "Patient 03 (à revoir)")
    spin(lambda: case(opened, "case01").title == "Patient 03 (à revoir)")
    assert opened.model.data(opened.model.index(1, NAME)) == "Patient 03 (à revoir)"
    assert opened.model.data(opened.model.index(1, NAME), qt.Qt.ToolTipRole).endswith("case01: images/case01.nrrd")
    opened.model.setData(opened.model.index(0, NAME), "Patient 03 (À revoir)")
    assert "already" in dialogs.messages[0]


def test_another_site_is_written_into_the_row_for_all_selected(opened, spin):
    show(opened, spin)
    menu = context_menu(opened, "case00", "case03")
    menu.close()
    entry(submenu(menu, "Site"), "Another site…").trigger()
    write(opened, "Hôpital Müller (A)")
    spin(lambda: case(opened, "case03").site == "Hôpital Müller (A)")
    assert case(opened, "case00").site == "Hôpital Müller (A)"
    assert case(opened, "case01").site == "Away"


def test_other_columns_cannot_be_written(opened):
    editable = [
        column for column in range(6) if opened.model.flags(opened.model.index(0, column)) & qt.Qt.ItemIsEditable
    ]
    assert editable == [NAME, SITE]

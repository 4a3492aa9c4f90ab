from __future__ import annotations

import logging
from typing import Any

import pytest
import qt
import slicer

from SemiSupervisedSegLib.panel.dialogs import SlicerDialogs
from SemiSupervisedSegLib.panel.scene.terminology import chosenEntry
from SemiSupervisedSegLib.panel.slicer_services import defaultServices
from SemiSupervisedSegLib.study.errors import UserError

LIVER = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~"
    "SCT^10200004^Liver~^^~Anatomic codes - DICOM master list~^^~^^"
)


@pytest.fixture
def answer(slicer_app: Any) -> Any:
    """Does something to the next window that waits for the user."""
    timers = []

    def prepare(act: Any) -> list[Any]:
        seen: list[Any] = []
        timer = qt.QTimer()

        def look() -> None:
            window = qt.QApplication.activeModalWidget()
            if window is not None:
                timer.stop()
                seen.append(window)
                act(window)

        timer.connect("timeout()", look)
        timer.start(10)
        timers.append(timer)
        return seen

    return prepare


def rows_only(window: Any, *rows: int) -> None:
    choice = window.findChild(qt.QListWidget)
    for row in range(choice.count):
        choice.item(row).setSelected(row in rows)
    window.accept()


def test_all_items_of_a_list_are_taken_unless_the_user_chooses(answer):
    answer(lambda window: window.accept())
    assert SlicerDialogs().chooseItems("Add", "Images:", ["a", "b", "c"]) == [0, 1, 2]
    answer(lambda window: rows_only(window, 1))
    assert SlicerDialogs().chooseItems("Add", "Images:", ["a", "b", "c"]) == [1]
    answer(lambda window: window.reject())
    assert SlicerDialogs().chooseItems("Add", "Images:", ["a"]) == []


def test_messages_and_questions_show_names_letter_by_letter(answer):
    name = "<b>T1</b> & <i>T2</i>"

    def leave(window: Any) -> None:
        labels = [window] if isinstance(window, qt.QMessageBox) else window.findChildren(qt.QLabel)
        shown.append([(label.text, label.textFormat == qt.Qt.PlainText) for label in labels])
        window.reject()

    shown: list[Any] = []
    dialogs = SlicerDialogs()
    ask = (
        lambda: dialogs.chooseItems("Add", name, ["a"]),
        lambda: dialogs.chooseButton(name, ["Yes", "No"]),
    )
    for question in ask:
        answer(leave)
        question()
    assert shown == [[(name, True)]] * len(ask)


def test_what_the_user_can_put_right_is_no_warning_in_the_log(slicer_app, monkeypatch, caplog):
    shown: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(slicer.util, "messageBox", lambda text, **more: shown.append((text, more)), raising=False)
    with caplog.at_level(logging.DEBUG):
        SlicerDialogs().showError(UserError("The <b>disk</b> is full.", "Free some space."))
    ((text, more),) = shown
    assert text == "The <b>disk</b> is full. Free some space."
    assert (more["icon"], more["textFormat"]) == (qt.QMessageBox.Warning, qt.Qt.PlainText)
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.INFO, text)]


def test_a_term_is_chosen_in_slicers_own_widget_beginning_with_the_present_one(answer):
    def choose(window: Any) -> None:
        navigator = window.findChild(slicer.qSlicerTerminologyNavigatorWidget)
        shown.append(chosenEntry(navigator))
        accept = window.findChildren(qt.QPushButton)[0]
        enabled.append(accept.enabled)
        entry = slicer.vtkSlicerTerminologyEntry()
        slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(LIVER, entry)
        navigator.choose(entry)
        enabled.append(accept.enabled)
        accept.click()

    shown: list[Any] = []
    enabled: list[bool] = []
    answer(choose)
    assert SlicerDialogs().chooseTerminology("Term", None) == LIVER
    assert ("Tissue" in shown[0], enabled) == (True, [True, True])
    answer(choose)
    SlicerDialogs().chooseTerminology("Term", LIVER)
    assert shown[-1] == LIVER
    answer(lambda window: window.reject())
    assert SlicerDialogs().chooseTerminology("Term", LIVER) is None


def test_inside_slicer_real_services_are_used(slicer_app):
    services = defaultServices()
    assert isinstance(services.dialogs, SlicerDialogs)
    assert services.processFactory is qt.QProcess

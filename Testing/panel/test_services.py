from __future__ import annotations

from typing import Any

import pytest
import qt

from SemiSupervisedSegLib.panel.dialogs import SlicerDialogs
from SemiSupervisedSegLib.panel.slicer_services import defaultServices


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


def test_inside_slicer_real_services_are_used(slicer_app):
    services = defaultServices()
    assert isinstance(services.dialogs, SlicerDialogs)
    assert services.processFactory is qt.QProcess

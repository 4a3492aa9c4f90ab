"""The list of results: its order, its menu, its columns."""

from __future__ import annotations

from typing import Any

import pytest
import qt

from ..desk import FIRST, LABELED


def texts(review: Any, column: int) -> list[str]:
    return [review.model.data(review.model.index(row, column)) for row in range(review.model.rowCount())]


def open_menu(review: Any) -> dict[str, Any]:
    review.ui.resultsTable.customContextMenuRequested.emit(qt.QPoint(5, 5))
    return {action.text: action for action in review._menu._menu.actions()}


def test_a_header_sorts_and_the_menu_gives_the_order_of_priority_back(review, desk):
    ranked = review.model.caseIds()
    desk.session.show(ranked[1])
    review.ui.resultsTable.sortByColumn(0, qt.Qt.DescendingOrder)
    assert review.model.caseIds() == sorted(ranked, reverse=True)
    review.ui.resultsTable.sortByColumn(1, qt.Qt.AscendingOrder)
    shares = [float(text.rstrip(" %")) for text in texts(review, 1)]
    assert shares == sorted(shares)
    assert desk.session.case_id == ranked[1]
    rows = [index.row() for index in review.ui.resultsTable.selectionModel().selectedRows()]
    assert rows == [review.model.rowOf(ranked[1])]
    open_menu(review)["Sort by priority for review"].trigger()
    assert review.model.caseIds() == ranked


def test_the_menu_decides_as_the_buttons_do(review, desk):
    desk.session.show(FIRST)
    menu = open_menu(review)
    assert menu["Reject"].enabled
    menu["Reject"].trigger()
    assert review.decision(FIRST).verdict == "rejected"
    desk.session.show(FIRST)
    menu = open_menu(review)
    assert not menu["Reject"].enabled
    assert "rejected" in menu["Reject"].toolTip
    menu["Undo"].trigger()
    assert review.decision(FIRST) is None


@pytest.mark.parametrize("width", [333, 500])
def test_columns_fit(review, desk, spin, width):
    table = review.ui.resultsTable
    desk.widget.resize(width, 900)
    desk.widget.show()
    spin(lambda: width - 70 < table.viewport().width < width)
    assert table.horizontalScrollBar().maximum == 0
    last = review.model.columnCount() - 1
    assert table.columnWidth(last) > table.fontMetrics().horizontalAdvance("annotated")
    assert table.columnWidth(0) > table.fontMetrics().horizontalAdvance(LABELED)

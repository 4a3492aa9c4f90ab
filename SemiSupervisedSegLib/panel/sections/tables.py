"""Tables of the panel: compact rows, no row numbers, cells that cannot be edited."""

from __future__ import annotations

from collections.abc import Sequence

import qt

# Pixels above and below the text of a row, together.
_PADDING = 7


def setUpView(view: qt.QTableView) -> None:
    """Make the rows of a table compact and hide their numbers."""
    view.verticalHeader().setVisible(False)
    view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + _PADDING)
    view.horizontalHeader().setHighlightSections(False)


def setUpTable(table: qt.QTableWidget, titles: Sequence[str]) -> None:
    """Give a table its columns; the first one takes the width that the others leave."""
    setUpView(table)
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(list(titles))
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)


def makeCell(text: str, alignment: int = qt.Qt.AlignLeft) -> qt.QTableWidgetItem:
    """Return a cell that can be selected and not edited."""
    item = qt.QTableWidgetItem(text)
    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
    item.setTextAlignment(alignment | qt.Qt.AlignVCenter)
    return item

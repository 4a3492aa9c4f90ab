"""Tables of the panel: compact rows, no row numbers, cells that cannot be edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt

# Pixels above and below the text of a row, together.
_PADDING = 7
# Of the height of the panel: beside a long table its buttons are in view as well.
_LARGEST_SHARE = 0.55


def setUpView(view: qt.QTableView) -> None:
    """Make the rows of a table compact and hide their numbers."""
    view.verticalHeader().setVisible(False)
    view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + _PADDING)
    view.horizontalHeader().setHighlightSections(False)


def setUpTable(table: qt.QTableWidget, titles: Sequence[str]) -> None:
    """Give a table its columns; the first one takes the remaining width."""
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


class OnResize(qt.QObject):
    """Calls a function when a widget has another size.

    Args:
        widget: Widget to watch.
        receiver: Function without arguments.
    """

    def __init__(self, widget: qt.QWidget, receiver: Callable[[], None]) -> None:
        super().__init__()
        self._receiver = receiver
        widget.installEventFilter(self)

    def eventFilter(self, watched: qt.QObject, event: qt.QEvent) -> bool:
        """Handle an event and let it pass (Qt)."""
        if event.type() == qt.QEvent.Resize:
            self._receiver()
        return False


class GrowingTable:
    """Makes a table as high as its rows need, as far as the panel has room.

    Args:
        view: Table whose least height is that of its .ui file.
    """

    def __init__(self, view: qt.QTableView) -> None:
        self._view, self._least, self._panelHeight = view, view.minimumHeight, 0

    def fit(self, panelHeight: int | None = None) -> None:
        """Fit the table to its rows now, and to another height of the panel if one is given."""
        if panelHeight is not None:
            self._panelHeight = panelHeight
        view = self._view
        needed = view.horizontalHeader().height + view.verticalHeader().length() + 2 * view.frameWidth
        largest = int(_LARGEST_SHARE * self._panelHeight)
        view.setMinimumHeight(max(self._least, min(needed, largest)))


class TableModel(qt.QAbstractTableModel):
    """A model with titled columns.

    Args:
        columns: Title of each column, and its meaning as a tool tip.
    """

    def __init__(self, *columns: tuple[str, str]) -> None:
        super().__init__()
        self._columns = columns

    def columnCount(self, parent: qt.QModelIndex | None = None) -> int:
        """Return the number of columns (Qt)."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: int, role: int = qt.Qt.DisplayRole) -> str | None:
        """Return the titles of the columns and what they mean (Qt)."""
        if orientation != qt.Qt.Horizontal:
            return None
        if role == qt.Qt.DisplayRole:
            return self._columns[section][0]
        return self._columns[section][1] if role == qt.Qt.ToolTipRole else None

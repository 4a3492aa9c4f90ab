"""Tables of the panel: compact rows, no row numbers, cells that cannot be edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import qt

from ..logic.column_widths import column_widths

# Pixels above and below the text of a row, together.
_PADDING = 7
# Pixels of a cell beside its text; the arrow of a sorted column takes no part of the title that matters.
_CELL_MARGIN = 12
_LEAST_SECTION = 20
# Of the texts of a column; the longest ones of thousands are the widest, too.
_MOST_MEASURED = 60
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


class FittingColumns:
    """Fits the columns of a table to its width whenever that changes; see `column_widths`.

    Args:
        view: Table with its model.
        model: Model of the table.
        letters: Number of letters that are enough to tell the texts of a column apart, by column; any other column
            shows all of its texts.
        optional: Columns that are left out where there is no room, the first one first.
    """

    def __init__(
        self, view: qt.QTableView, model: TableModel, letters: Mapping[int, int], optional: Sequence[int] = ()
    ) -> None:
        self._view, self._model, self._letters, self._optional = view, model, letters, optional
        self._resizing = OnResize(view.viewport(), self.fit)
        view.horizontalHeader().setMinimumSectionSize(_LEAST_SECTION)
        view.setHorizontalScrollMode(qt.QAbstractItemView.ScrollPerPixel)

    def fit(self) -> None:
        """Fit the columns now, as after other rows came."""
        needed = [self._neededWidth(column) for column in range(self._model.columnCount())]
        least = list(needed)
        for column, letters in self._letters.items():
            least[column] = min(needed[column], self._textWidth("n" * letters))
        widths = column_widths(self._view.viewport().width, needed, least, self._optional)
        for column, width in enumerate(widths):
            self._view.setColumnHidden(column, width == 0)
            if width:
                self._view.setColumnWidth(column, width)

    def _neededWidth(self, column: int) -> int:
        if self._model.isUnused(column):
            return 0
        texts = {*self._model.texts(column), *self._model.headerData(column, qt.Qt.Horizontal).split("\n")}
        longest = sorted(texts, key=len)[-_MOST_MEASURED:]
        return max(self._textWidth(text) for text in longest)

    def _textWidth(self, text: str) -> int:
        return self._view.fontMetrics().horizontalAdvance(text) + _CELL_MARGIN


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

    def texts(self, column: int) -> set[str]:
        """Return the different texts that a column has, or can have soon."""
        return set()

    def isUnused(self, column: int) -> bool:
        """Return whether a column has nothing to say at present."""
        return False

    def headerData(self, section: int, orientation: int, role: int = qt.Qt.DisplayRole) -> str | None:
        """Return the titles of the columns and what they mean (Qt)."""
        if orientation != qt.Qt.Horizontal:
            return None
        if role == qt.Qt.DisplayRole:
            return self._columns[section][0]
        return self._columns[section][1] if role == qt.Qt.ToolTipRole else None

"""The view of the table of cases: its columns, filter, selection and double click."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ....study.model import Role
from ..section import Widgets
from ..tables import setUpView
from .model import CasesModel

# The first column takes the remaining width, but no less than a name needs to be distinguishable.
_NAME_WIDTH = 84
_WIDTHS = (46, 74, 44, 46, 56)
_UNCERTAINTY = 4


class CaseTable:
    """Keeps the selection by case while rows are filtered, sorted or renewed.

    Args:
        ui: Widgets of Cases.ui.
        model: Rows of the table.
        onSelect: Function called with the number of selected rows.
        onOpen: Function called with the case that was double-clicked.
    """

    def __init__(
        self, ui: Widgets, model: CasesModel, onSelect: Callable[[int], None], onOpen: Callable[[str], None]
    ) -> None:
        self.ui, self._model, self._onSelect = ui, model, onSelect
        self._view = ui.casesTable
        self._chosen: tuple[str, ...] = ()
        self._restoring = False
        self._setUpView()
        self._resizing = _OnResize(self._fit)
        self._view.viewport().installEventFilter(self._resizing)
        model.rearranged.connect(self._rearranged)
        self._view.selectionModel().connect("selectionChanged(QItemSelection,QItemSelection)", self._selectionChanged)
        for signal in ("doubleClicked(QModelIndex)", "activated(QModelIndex)"):
            self._view.connect(signal, lambda index: onOpen(model.caseId(index.row())))
        ui.filterEdit.connect("textChanged(QString)", lambda text: self._filter())
        ui.roleFilterBox.connect("currentIndexChanged(int)", lambda index: self._filter())

    def selected(self) -> list[str]:
        """Return the selected cases that are displayed, from the top."""
        return list(self._chosen)

    def select(self, caseIds: list[str]) -> None:
        """Select these cases and no others."""
        self._chosen = tuple(caseIds)
        self._restore()

    def mark(self, caseId: str | None) -> None:
        """Scroll to the shown case."""
        row = -1 if caseId is None else self._model.rowOf(caseId)
        if row >= 0:
            self._view.scrollTo(self._model.index(row, 0))

    def _setUpView(self) -> None:
        view = self._view
        view.setModel(self._model)
        # Names often differ at their end only.
        view.setTextElideMode(qt.Qt.ElideMiddle)
        setUpView(view)
        header = view.horizontalHeader()
        header.setMinimumSectionSize(32)
        view.setHorizontalScrollMode(qt.QAbstractItemView.ScrollPerPixel)
        for column, width in enumerate(_WIDTHS, 1):
            view.setColumnWidth(column, width)
        header.setSortIndicator(-1, qt.Qt.AscendingOrder)
        view.setSortingEnabled(True)

    def _fit(self) -> None:
        view = self._view
        taken = sum(view.columnWidth(column) for column in range(1, self._model.columnCount()))
        view.setColumnWidth(0, max(view.viewport().width - taken, _NAME_WIDTH))

    def _rearranged(self) -> None:
        # There is little room, and before the first round there is nothing to be seen in this column.
        hidden = not self._model.hasUncertainty()
        if hidden != self._view.isColumnHidden(_UNCERTAINTY):
            self._view.setColumnHidden(_UNCERTAINTY, hidden)
            self._fit()
        self._restore()

    def _filter(self) -> None:
        value = self.ui.roleFilterBox.currentData
        self._model.setFilter(self.ui.filterEdit.text, Role(value) if value else None)

    def _restore(self) -> None:
        """Select the rows again, which a reset of the model forgets; those filtered away are not selected any more."""
        rows = sorted(row for row in map(self._model.rowOf, self._chosen) if row >= 0)
        selection = qt.QItemSelection()
        for first, last in _ranges(rows):
            selection.select(self._model.index(first, 0), self._model.index(last, self._model.columnCount() - 1))
        self._restoring = True
        self._view.selectionModel().select(selection, qt.QItemSelectionModel.ClearAndSelect)
        self._restoring = False
        self._selectionChanged()

    def _selectionChanged(self, *_changes: qt.QItemSelection) -> None:
        if not self._restoring:
            rows = sorted(index.row() for index in self._view.selectionModel().selectedRows())
            self._chosen = tuple(self._model.caseId(row) for row in rows)
            self._onSelect(len(self._chosen))


class _OnResize(qt.QObject):
    """Reports when the filtered widget has another size."""

    def __init__(self, receiver: Callable[[], None]) -> None:
        super().__init__()
        self._receiver = receiver

    def eventFilter(self, watched: qt.QObject, event: qt.QEvent) -> bool:
        """Handle an event and let it pass (Qt)."""
        if event.type() == qt.QEvent.Resize:
            self._receiver()
        return False


def _ranges(rows: list[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as ranges of consecutive numbers."""
    ranges: list[tuple[int, int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], row)
        else:
            ranges.append((row, row))
    return ranges

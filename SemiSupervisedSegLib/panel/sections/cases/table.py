"""The view of the table of cases: its columns, filter, selection, double click and menu."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ....study.model import Case, Role
from ..section import Widgets
from ..tables import FittingColumns, GrowingTable, setUpView
from .menu import CaseMenu
from .model import ANNOTATION, NAME, ROLE, SITE, UNCERTAINTY, CasesModel

# Characters that a name and a site need to be distinguishable.
_LEAST_NAME, _LEAST_SITE = 9, 5
_OPTIONAL = (ANNOTATION, UNCERTAINTY)


class CaseTable:
    """Keeps the selection by case while rows are filtered, sorted or renewed.

    Args:
        ui: Widgets of Cases.ui.
        model: Rows of the table.
        menu: Menus of the rows.
        onSelect: Function called with the number of selected rows.
        onOpen: Function called with the case that was double-clicked, or on which Enter was pressed.
    """

    def __init__(
        self,
        ui: Widgets,
        model: CasesModel,
        menu: CaseMenu,
        onSelect: Callable[[int], None],
        onOpen: Callable[[str], None],
    ) -> None:
        self.ui, self._model, self._menu, self._onSelect, self._onOpen = ui, model, menu, onSelect, onOpen
        self._view = ui.casesTable
        self._growing = GrowingTable(self._view)
        self._chosen: tuple[str, ...] = ()
        self._restoring = False
        self._setUpView()
        self._columns = FittingColumns(self._view, model, {NAME: _LEAST_NAME, SITE: _LEAST_SITE}, _OPTIONAL)
        model.rearranged.connect(self._rearranged)
        self._view.selectionModel().connect("selectionChanged(QItemSelection,QItemSelection)", self._selectionChanged)
        # Enter, and a double click.
        self._view.connect("activated(QModelIndex)", self._activate)
        self._view.connect("customContextMenuRequested(QPoint)", self._openMenu)
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

    def fitHeight(self, panelHeight: int) -> None:
        """Let the table grow with the panel."""
        self._growing.fit(panelHeight)

    def write(self, column: int) -> None:
        """Let the user write into the cell of the first selected row."""
        index = self._model.index(self._model.rowOf(self._chosen[0]), column)
        # All selected rows stay selected.
        self._view.selectionModel().setCurrentIndex(index, qt.QItemSelectionModel.NoUpdate)
        self._view.edit(index)

    def _activate(self, index: qt.QModelIndex) -> None:
        caseId, column = self._model.caseId(index.row()), index.column()
        if column not in (ROLE, SITE):
            self._onOpen(caseId)
            return
        place = self._view.viewport().mapToGlobal(self._view.visualRect(index).bottomLeft())
        if caseId not in self._chosen:
            self.select([caseId])
        (self._menu.openRoles if column == ROLE else self._menu.openSites)(place, self._chosenCases())

    def _openMenu(self, place: qt.QPoint) -> None:
        if self._chosen and self._view.indexAt(place).isValid():
            self._menu.open(self._view.viewport().mapToGlobal(place), self._chosenCases())

    def _chosenCases(self) -> list[Case]:
        return [self._model.caseOf(self._model.rowOf(caseId)) for caseId in self._chosen]

    def _setUpView(self) -> None:
        view = self._view
        view.setModel(self._model)
        # Names often differ at their end only.
        view.setTextElideMode(qt.Qt.ElideMiddle)
        setUpView(view)
        # A double click shows the image; F2 and the menu write.
        view.setEditTriggers(qt.QAbstractItemView.EditKeyPressed)
        view.setContextMenuPolicy(qt.Qt.CustomContextMenu)
        header = view.horizontalHeader()
        header.setSortIndicator(-1, qt.Qt.AscendingOrder)
        view.setSortingEnabled(True)

    def _rearranged(self) -> None:
        self._columns.fit()
        self._growing.fit()
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


def _ranges(rows: list[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as ranges of consecutive numbers."""
    ranges: list[tuple[int, int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], row)
        else:
            ranges.append((row, row))
    return ranges

"""The menu of the list of results: what can be decided about the shown one, and the order of the list."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ..buttons import addButtonAction
from ..section import Widgets


class ResultMenu:
    """Opens with the right mouse button, whose press has shown the result of the row.

    Args:
        ui: Widgets of Review.ui.
        sortByPriority: Function that gives the list the order of priority again.
    """

    def __init__(self, ui: Widgets, sortByPriority: Callable[[], None]) -> None:
        self.ui, self._sortByPriority = ui, sortByPriority
        self._menu: qt.QMenu | None = None
        ui.resultsTable.setContextMenuPolicy(qt.Qt.CustomContextMenu)
        ui.resultsTable.connect("customContextMenuRequested(QPoint)", self._open)

    def _open(self, place: qt.QPoint) -> None:
        if self._menu is not None:
            self._menu.deleteLater()
        ui, menu = self.ui, qt.QMenu(self.ui.resultsTable)
        for button in (ui.worstPlaceButton, ui.correctButton, ui.acceptButton, ui.rejectButton, ui.undoButton):
            addButtonAction(menu, button)
        menu.addSeparator()
        menu.addAction(_("Sort by priority for review")).connect("triggered()", self._sortByPriority)
        self._menu = menu
        menu.popup(ui.resultsTable.viewport().mapToGlobal(place))

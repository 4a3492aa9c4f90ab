"""Stands for Slicer's widget to choose a term; the entries are real."""

from __future__ import annotations

from typing import Any, ClassVar

from .pyside import QtCore, QtWidgets


class qSlicerTerminologyNavigatorWidget(QtWidgets.QWidget):
    """A choice of a term that test code makes with `choose`, as a person does by a click."""

    standsForCpp = True
    selectionValidityChanged = QtCore.Signal(bool)
    typeDoubleClicked = QtCore.Signal()
    cppSignals: ClassVar = {
        "selectionValidityChanged(bool)": "selectionValidityChanged",
        "typeDoubleClicked()": "typeDoubleClicked",
    }

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._entry: Any = None

    def setOverrideSectionVisible(self, visible: bool) -> None:
        """Names and colours are not imitated."""

    def setTerminologyEntry(self, entry: Any) -> bool:
        """Choose an entry."""
        self._entry = entry
        return True

    def terminologyEntry(self, entry: Any) -> bool:
        """Copy the chosen entry into another one, unless none is chosen."""
        if self._entry is not None:
            entry.Copy(self._entry)
        return self._entry is not None

    def choose(self, entry: Any) -> None:
        """Choose an entry as a person does."""
        self._entry = entry
        self.selectionValidityChanged.emit(True)

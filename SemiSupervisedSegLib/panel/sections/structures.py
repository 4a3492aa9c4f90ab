"""The table of structures in the section Study: name, colour, label value and terminology."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ...study.dicom_seg import terminology_codes
from ...study.errors import UserError
from ...study.model import Structure
from ...study.structures import (
    add_structure,
    check_structures_unused,
    recolor_structure,
    remove_structure,
    rename_structure,
    set_terminology,
)
from ..logic.state import Action, Facts, availability
from ..services import Dialogs
from .buttons import setEnabledWithReason
from .section import Widgets
from .tables import makeCell, setUpTable

Change = Callable[[tuple[Structure, ...]], tuple[Structure, ...]]
_COLOR_COLUMN, _TERMINOLOGY_COLUMN = 1, 3
_TITLES = (_("Structure"), _("Color"), _("Label"), _("Terminology"))


class StructuresTable:
    """Shows structures, and turns what the user does with them into changes.

    Args:
        ui: Widgets of Study.ui.
        dialogs: Dialogs for names and colours.
        change: Function that applies a change, wherever the structures are stored, and shows the result.

    Attributes:
        editable: Whether structures can be added now.
    """

    def __init__(self, ui: Widgets, dialogs: Dialogs, change: Callable[[Change], None]) -> None:
        self.ui, self._dialogs, self._change = ui, dialogs, change
        self._structures: tuple[Structure, ...] = ()
        self.editable = True
        table = ui.structuresTable
        setUpTable(table, _TITLES)
        table.setIconSize(qt.QSize(32, 16))
        table.connect("cellDoubleClicked(int,int)", self._edit)
        table.connect("itemSelectionChanged()", self._refreshSelected)
        ui.addStructureButton.connect("clicked()", self._add)
        ui.renameStructureButton.connect("clicked()", self._rename)
        ui.recolorStructureButton.connect("clicked()", self._recolor)
        ui.terminologyButton.connect("clicked()", self._chooseTerminology)
        ui.removeStructureButton.connect("clicked()", self._remove)
        self._reason = self._namesReason = ""

    def show(self, structures: tuple[Structure, ...]) -> None:
        """Show these structures; the selected row stays selected."""
        self._structures = structures
        table, row = self.ui.structuresTable, self.ui.structuresTable.currentRow()
        table.setRowCount(len(structures))
        for number, structure in enumerate(structures):
            table.setItem(number, 0, makeCell(structure.name))
            color = makeCell("")
            color.setIcon(_swatch(structure.color))
            color.setToolTip(_("Double-click to choose another color"))
            table.setItem(number, _COLOR_COLUMN, color)
            table.setItem(number, 2, makeCell(str(structure.label)))
            table.setItem(number, _TERMINOLOGY_COLUMN, _terminologyCell(structure))
        if structures:
            table.setCurrentCell(min(max(row, 0), len(structures) - 1), 0)

    def refresh(self, facts: Facts) -> None:
        """Enable what can be done with structures now."""
        self._reason = "" if facts.study is None else availability(facts, Action.EDIT_STRUCTURES)
        self._namesReason = self._reason
        if facts.study is not None and not self._reason:
            try:
                check_structures_unused(facts.study)
            except UserError as error:
                self._namesReason = str(error)
        self.editable = not self._reason
        setEnabledWithReason(self.ui.addStructureButton, self._reason, _("Name a structure to segment"))
        self._refreshSelected()

    def _refreshSelected(self) -> None:
        selection = "" if self._selected() is not None else _("Select a structure in the table first.")
        ui = self.ui
        setEnabledWithReason(ui.recolorStructureButton, self._reason or selection, _("Choose another color"))
        hint = _("Choose the standard term, which DICOM SEG and segments carry")
        setEnabledWithReason(ui.terminologyButton, self._reason or selection, hint)
        setEnabledWithReason(ui.renameStructureButton, self._namesReason or selection, _("Give it another name"))
        last = _("A study needs at least one structure.") if self._isLastOfStudy() else ""
        setEnabledWithReason(
            ui.removeStructureButton, self._namesReason or selection or last, _("Leave the selected structure out")
        )

    def _isLastOfStudy(self) -> bool:
        return len(self._structures) == 1 and bool(self.ui.folderEdit.text)

    def _selected(self) -> Structure | None:
        row = self.ui.structuresTable.currentRow()
        return self._structures[row] if 0 <= row < len(self._structures) else None

    def _edit(self, row: int, column: int) -> None:
        buttons = {
            _COLOR_COLUMN: self.ui.recolorStructureButton,
            _TERMINOLOGY_COLUMN: self.ui.terminologyButton,
        }
        button = buttons.get(column, self.ui.renameStructureButton)
        if button.enabled:
            button.click()

    def _add(self) -> None:
        name = self._dialogs.askText(_("New structure"), _("Name of the structure:"), "")
        if name:
            self._change(lambda structures: add_structure(structures, name))

    def _rename(self) -> None:
        structure = self._selected()
        name = self._dialogs.askText(_("Rename the structure"), _("New name:"), structure.name)
        if name and name != structure.name:
            self._change(lambda structures: rename_structure(structures, structure.label, name))

    def _recolor(self) -> None:
        structure = self._selected()
        color = self._dialogs.chooseColor(_("Color of {name}").format(name=structure.name), structure.color)
        if color:
            self._change(lambda structures: recolor_structure(structures, structure.label, color))

    def _chooseTerminology(self) -> None:
        structure = self._selected()
        title = _("Terminology of {name}").format(name=structure.name)
        entry = self._dialogs.chooseTerminology(title, structure.terminology)
        if entry:
            self._change(lambda structures: set_terminology(structures, structure.label, entry))

    def _remove(self) -> None:
        label = self._selected().label
        self._change(lambda structures: remove_structure(structures, label))


def _terminologyCell(structure: Structure) -> qt.QTableWidgetItem:
    _category, (value, scheme, meaning) = terminology_codes(structure.terminology)
    cell = makeCell(meaning if structure.terminology else "–")
    code = _("DICOM SEG says {meaning} ({scheme} {value}). Double-click to choose another term.")
    cell.setToolTip(code.format(meaning=meaning, scheme=scheme, value=value))
    return cell


def _swatch(color: tuple[int, int, int]) -> qt.QIcon:
    pixmap = qt.QPixmap(32, 16)
    pixmap.fill(qt.QColor(*color))
    icon = qt.QIcon()
    # Qt would tint the picture of a selected row, and a colour has to be seen as it is.
    for mode in (qt.QIcon.Normal, qt.QIcon.Selected):
        icon.addPixmap(pixmap, mode)
    return icon

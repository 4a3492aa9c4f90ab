"""The table of cases as Qt sees it; filtered and sorted in Python, which takes milliseconds for 1,000 rows."""

from __future__ import annotations

from collections.abc import Mapping

import qt
from slicer.i18n import tr as _

from ....study.model import Case, Role, Study
from ...logic.case_rows import CaseFiles, CaseRow, arrange, rows_of
from ...logic.wording import plain_tooltip
from ...signal import Signal
from ..tables import TableModel

NAME, SITE, ROLE, ANNOTATION, UNCERTAINTY, STATUS = range(6)


class CasesModel(TableModel):
    """Rows of cases: image, site, role, annotation, uncertainty, status.

    Attributes:
        rearranged: Signal that the rows or their order changed; row numbers from before are no longer valid.
        edited: Signal that the user wrote into a cell: id of the case, column and text. The model stays as it is.
    """

    def __init__(self) -> None:
        super().__init__(
            (_("Image"), _("Name of the image; double-click or Enter shows it, F2 renames it")),
            (_("Site"), _("Hospital or scanner that the image comes from; double-click to change it")),
            (_("Role"), _("What the image is used for; double-click to change it")),
            (_("Anno-\ntation"), _("Whether the structures are annotated")),
            (_("Uncer-\ntainty"), _("How uncertain the model of the round under review is within its structures")),
            (_("Status"), _("Missing files, and whether the round under review has segmented the image")),
        )
        self.rearranged, self.edited = Signal(), Signal()
        self._all: list[CaseRow] = []
        self._rows: list[CaseRow] = []
        self._positions: dict[str, int] = {}
        self._text, self._role = "", None
        self._column, self._descending = -1, False

    def setCases(self, study: Study | None, files: Mapping[str, CaseFiles]) -> None:
        """Show the cases of a study, with what is known about their files by id."""
        self._all = rows_of(study, files)
        self._arrange()

    def setFilter(self, text: str, role: Role | None) -> None:
        """Show only rows with all words of `text` in name, site or status, and with this role."""
        if (text, role) != (self._text, self._role):
            self._text, self._role = text, role
            self._arrange()

    def caseId(self, row: int) -> str:
        """Return the case in a row."""
        return self._rows[row].case.id

    def rowOf(self, caseId: str) -> int:
        """Return the row of a case, -1 when it is not displayed."""
        return self._positions.get(caseId, -1)

    def total(self) -> int:
        """Return the number of cases, displayed or not."""
        return len(self._all)

    def hasUncertainty(self) -> bool:
        """Return whether the uncertainty of any case is known, displayed or not."""
        return any(row.files is not None and row.files.uncertainty is not None for row in self._all)

    def rowCount(self, parent: qt.QModelIndex | None = None) -> int:
        """Return the number of displayed rows (Qt)."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: qt.QModelIndex, role: int = qt.Qt.DisplayRole) -> str | None:
        """Return the content of a cell (Qt)."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role in (qt.Qt.DisplayRole, qt.Qt.EditRole):
            return row.cells[column]
        if role == qt.Qt.ToolTipRole:
            return plain_tooltip(_toolTip(row, column))
        return None

    def flags(self, index: qt.QModelIndex) -> int:
        """Return what can be done with a cell (Qt): names and sites can be written."""
        usual = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
        return usual | qt.Qt.ItemIsEditable if index.column() in (NAME, SITE) else usual

    def setData(self, index: qt.QModelIndex, value: str, role: int = qt.Qt.EditRole) -> bool:
        """Pass on what the user wrote (Qt)."""
        text, row = str(value).strip(), self._rows[index.row()]
        if text != row.cells[index.column()]:
            self.edited.emit(row.case.id, index.column(), text)
        return True

    def caseOf(self, row: int) -> Case:
        """Return the case in a row."""
        return self._rows[row].case

    def texts(self, column: int) -> set[str]:
        """Return the different texts of a column, displayed or not."""
        # Decisions come when the files are read; the columns shall stay where they are.
        usual = {"accepted", "missing"} if column == STATUS else set()
        return usual | {row.cells[column] for row in self._all}

    def isUnused(self, column: int) -> bool:
        """Return whether a column has nothing to say: the uncertainty before the first round."""
        return column == UNCERTAINTY and not self.hasUncertainty()

    def sort(self, column: int, order: int = qt.Qt.AscendingOrder) -> None:
        """Sort by a column (Qt); -1 gives the order of the study."""
        self._column, self._descending = column, order == qt.Qt.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()
        self._rows = arrange(
            self._all, text=self._text, role=self._role, column=self._column, descending=self._descending
        )
        self._positions = {row.case.id: number for number, row in enumerate(self._rows)}
        self.endResetModel()
        self.rearranged.emit()


def _toolTip(row: CaseRow, column: int) -> str:
    case = row.case
    if column == NAME:
        return case.image if case.name is None else f"{case.title}\n{case.id}: {case.image}"
    if column == ANNOTATION and case.annotation is not None:
        partly = "" if case.structures is None else " (" + ", ".join(case.structures) + ")"
        return case.annotation + partly
    if column == ROLE:
        return ROLE_WORDS[case.role]
    return (row.details if column == STATUS else "") or row.cells[column]


ROLE_WORDS = {
    Role.LABELED: _("Annotated: the model learns from the image and its annotation"),
    Role.UNLABELED: _("Not annotated: the model learns from the image alone"),
    Role.VALIDATION: _("Annotated, but never learned from: shows how well a model works"),
    Role.IGNORED: _("Left out"),
}

"""The fold "Rounds": round by round, how well the model did and what the user had to change."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import qt
from slicer.i18n import tr as _

from ....jobs.folder import JobFolder
from ....study.errors import UserError
from ....study.model import Structure
from ...logic.round_numbers import RoundNumbers, read_round_numbers
from ...logic.wording import plain_tooltip
from ...session import Session
from ...time_slices import TimeSlicedTask
from ..section import Widgets
from ..tables import FittingColumns, TableModel, setUpView
from .view import milliliters

# Letters that tell rounds apart.
_LEAST_ROUND = 5
_MOST_ROWS = 8
_NOTHING = "–"


class RoundsTable:
    """Fills the table when rounds appear or end, and when something was decided.

    Args:
        ui: Widgets of Review.ui.
        session: What is open.
    """

    def __init__(self, ui: Widgets, session: Session) -> None:
        self._table, self._session = ui.roundsTable, session
        self._reading: TimeSlicedTask | None = None
        self.model = RoundsModel()
        self._table.setModel(self.model)
        setUpView(self._table)
        self._optional: list[int] = []
        self._columns = FittingColumns(self._table, self.model, {0: _LEAST_ROUND}, self._optional)
        self._table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        session.rounds_changed.connect(self.refresh)
        self.refresh()

    def cleanup(self) -> None:
        """Stop what is going on."""
        self._session.rounds_changed.disconnect(self.refresh)
        self._stop()

    def refresh(self) -> None:
        """Read the numbers of all rounds again, in portions."""
        self._stop()
        self._reading = TimeSlicedTask(_read(self._session.rounds()), self._show, self._fail)

    def _show(self, rows: list[RoundNumbers]) -> None:
        self._reading = None
        study = self._session.study
        self._showRows(rows, () if study is None else study.structures)

    def _showRows(self, rows: Sequence[RoundNumbers], structures: Sequence[Structure]) -> None:
        self.model.setRounds(rows, structures)
        # What does not fit is in the tool tips.
        self._optional[:] = range(len(self.model.structures), 0, -1)
        self._columns.fit()
        count = min(len(rows), _MOST_ROWS)
        fits = qt.Qt.ScrollBarAlwaysOff if len(rows) <= _MOST_ROWS else qt.Qt.ScrollBarAsNeeded
        self._table.setVerticalScrollBarPolicy(fits)
        height = self._table.horizontalHeader().sizeHint.height() + 2 * self._table.frameWidth
        self._table.setFixedHeight(height + count * self._table.verticalHeader().defaultSectionSize)
        self._table.scrollToBottom()

    def _fail(self, error: UserError) -> None:
        self._reading = None

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None


class RoundsModel(TableModel):
    """Rounds, oldest first: name, Dice of each structure, accepted images, corrected volume.

    Attributes:
        structures: Names of the structures that have a column.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setRounds((), ())

    def setRounds(self, rows: Sequence[RoundNumbers], structures: Sequence[Structure]) -> None:
        """Show other rounds; structures without a score in any of them have no column."""
        self.beginResetModel()
        self._rows: list[RoundNumbers] = list(rows)
        self.structures = tuple(item.name for item in structures if any(item.name in row.dice for row in rows))
        dice = _("Dice of {structure}: overlap of the final result with the annotations of the validation images")
        self._columns = (
            (_("Round"), _("Finished rounds, the oldest first")),
            *((name.replace(" ", "\n"), dice.format(structure=name)) for name in self.structures),
            (_("Accepted"), _("Images whose result you accepted, as it was or corrected")),
            (_("Edited\nmL"), _("Volume that you corrected in the accepted results, all images together")),
        )
        self.endResetModel()

    def texts(self, column: int) -> set[str]:
        """Return the different texts of a column."""
        return {self._cells(row)[column] for row in self._rows}

    def rowCount(self, parent: qt.QModelIndex | None = None) -> int:
        """Return the number of rows (Qt)."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: qt.QModelIndex, role: int = qt.Qt.DisplayRole) -> object:
        """Return the content of a cell (Qt)."""
        if not index.isValid():
            return None
        if role == qt.Qt.TextAlignmentRole and index.column():
            return qt.Qt.AlignRight | qt.Qt.AlignVCenter
        cells = self._cells(self._rows[index.row()])
        if role == qt.Qt.ToolTipRole:
            titles = (title.replace("\n", " ") for title, _meaning in self._columns)
            return plain_tooltip("\n".join(f"{title}: {cell}" for title, cell in zip(titles, cells, strict=True)))
        return cells[index.column()] if role == qt.Qt.DisplayRole else None

    def _cells(self, row: RoundNumbers) -> tuple[str, ...]:
        dice = (f"{row.dice[name]:.2f}" if name in row.dice else _NOTHING for name in self.structures)
        volume = _NOTHING if row.corrected_ml is None else milliliters(row.corrected_ml)
        return row.title, *dice, str(row.accepted), volume


def _read(folders: Sequence[JobFolder]) -> Generator[int, None, list[RoundNumbers]]:
    rows = []
    for folder in folders:
        if folder.is_finished():
            rows.append(read_round_numbers(folder))
        yield len(rows)
    return rows

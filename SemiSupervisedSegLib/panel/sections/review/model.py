"""The list of results as Qt model, by priority for review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from ....jobs.results import CaseSummary
from ....study.model import Study
from ...logic.decisions import Decision
from ...logic.quality import QualityFlag, quality_flags
from ...logic.wording import counted, plain_tooltip
from ...signal import Signal
from ..tables import TableModel
from .flag_texts import flagsInShort, flagsInWords


@dataclass(frozen=True)
class ReviewRow:
    """One result of the case with this title, and what was decided about it; `annotated` as its case is now."""

    title: str
    summary: CaseSummary
    decision: Decision | None
    annotated: bool
    flags: tuple[QualityFlag, ...] = ()

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Image, disagreement, uncertainty, flags and decision in words."""
        summary = self.summary
        uncertainty = _("nothing") if summary.is_empty() else f"{100 * summary.uncertainty:.0f} %"
        flags = flagsInShort(self.flags)
        return self.title, f"{100 * summary.disagreement:.0f} %", uncertainty, flags, self._verdict()

    @property
    def keys(self) -> tuple[str, float, float, int, str]:
        """Values by which the columns are sorted; results in which nothing was found are the most uncertain."""
        summary = self.summary
        uncertainty = 1.0 if summary.is_empty() else summary.uncertainty
        return self.title.casefold(), summary.disagreement, uncertainty, len(self.flags), self._verdict()

    def _verdict(self) -> str:
        if self.decision is not None:
            return _("accepted") if self.decision.verdict == "accepted" else _("rejected")
        return _("annotated") if self.annotated else "–"


NAME, FLAGS, DECISION = 0, 3, 4


class ReviewModel(TableModel):
    """Rows of results: image, disagreement, uncertainty, flags, decision.

    Attributes:
        rearranged: Signal that the rows or their order changed.
    """

    def __init__(self) -> None:
        super().__init__(
            (_("Image"), _("Images come first whose annotation is expected to help the next round most")),
            (_("Differ"), _("How much the two results of an image differ, as share of their structures")),
            (
                _("Unsure"),
                _("How far from full overlap (Dice) the model expects its result to be; 'nothing' where it is empty"),
            ),
            (_("Check"), _("What is rarely right in a result: empty, several pieces, cut off, an unusual volume")),
            (_("Decision"), _("What you decided; 'annotated' for images with an annotation of before")),
        )
        self.rearranged = Signal()
        self._ranked: list[ReviewRow] = []
        self._rows: list[ReviewRow] = []
        self._column, self._descending = -1, False
        self._positions: dict[str, int] = {}

    def setRows(self, rows: Sequence[ReviewRow]) -> None:
        """Show other rows, given by priority for review."""
        self._ranked = list(rows)
        self._arrange()

    def sort(self, column: int, order: int = qt.Qt.AscendingOrder) -> None:
        """Sort by a column (Qt); -1 gives the order of priority."""
        self._column, self._descending = column, order == qt.Qt.DescendingOrder
        self._arrange()

    def texts(self, column: int) -> set[str]:
        """Return the different texts of a column."""
        usual = {_("accepted"), _("annotated")} if column == DECISION else set()
        return usual | {row.cells[column] for row in self._rows}

    def _arrange(self) -> None:
        self.beginResetModel()
        self._rows = list(self._ranked)
        if self._column >= 0:
            self._rows.sort(key=lambda row: row.keys[self._column], reverse=self._descending)
        self._positions = {row.summary.case: number for number, row in enumerate(self._rows)}
        self.endResetModel()
        self.rearranged.emit()

    def caseIds(self) -> list[str]:
        """Return the ids of the cases from the top."""
        return [row.summary.case for row in self._rows]

    def row(self, caseId: str | None) -> ReviewRow | None:
        """Return the row of a case, None when it has none."""
        number = self._positions.get(caseId, -1)
        return self._rows[number] if number >= 0 else None

    def rowOf(self, caseId: str | None) -> int:
        """Return the number of the row of a case, -1 when it has none."""
        return self._positions.get(caseId, -1)

    def done(self) -> set[str]:
        """Return the cases that need no review: those with a decision, and those with an annotation."""
        return {row.summary.case for row in self._rows if row.decision is not None or row.annotated}

    def inWords(self) -> str:
        """Return how many results there are and what was decided about them."""
        total, verdicts = len(self._rows), [row.decision.verdict for row in self._rows if row.decision is not None]
        words = _("{total}: {accepted} accepted, {rejected} rejected, {left} to review")
        text = words.format(
            total=counted(total, _("1 image"), _("{count} images")),
            accepted=verdicts.count("accepted"),
            rejected=verdicts.count("rejected"),
            left=total - len(self.done()),
        )
        return text if total else _("No results yet: train first, or apply a trained model.")

    def rowCount(self, parent: qt.QModelIndex | None = None) -> int:
        """Return the number of rows (Qt)."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: qt.QModelIndex, role: int = qt.Qt.DisplayRole) -> str | None:
        """Return the content of a cell (Qt)."""
        if not index.isValid() or role not in (qt.Qt.DisplayRole, qt.Qt.ToolTipRole):
            return None
        row = self._rows[index.row()]
        isFlags = role == qt.Qt.ToolTipRole and index.column() == FLAGS
        text = flagsInWords(row.flags) if isFlags else row.cells[index.column()]
        return plain_tooltip(text) if role == qt.Qt.ToolTipRole else text


def makeRows(order: Sequence[CaseSummary], decisions: Mapping[str, Decision], study: Study | None) -> list[ReviewRow]:
    """Return the rows of those cases that are still in the study."""
    cases = {} if study is None else {case.id: case for case in study.cases}
    flags = quality_flags(order)
    found = ((cases[summary.case], summary) for summary in order if summary.case in cases)
    return [
        ReviewRow(case.title, summary, decisions.get(case.id), case.annotation is not None, flags[case.id])
        for case, summary in found
    ]

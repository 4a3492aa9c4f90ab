"""The section Disk: what a study takes, and what can be freed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ...jobs.comparison import comparisons
from ...jobs.remote.checks import Check
from ...jobs.remote.deletion import left_by, remember
from ...study.errors import UserError
from ..logic.disk_usage import DiskItem, Part, check_unused, measure, remove_folder, size_words
from ..logic.machine_process import in_words
from ..logic.round_names import round_title
from ..logic.state import Action
from ..run.machine_work import MachineWork
from ..time_slices import TimeSlicedTask
from .buttons import applyAvailability, setEnabledWithReason
from .section import PanelContext, Section
from .tables import makeCell, setUpTable

_LOST = {
    Part.DATA: _("Images that came from the scene, and all annotations. They are never deleted here."),
    Part.CACHE: _("Images prepared for training. Nothing is lost: the next training prepares them again."),
    Part.ROUND: _("Deleting loses its model, its predictions and its report. Accepted results stay."),
    Part.COMPARISON: _("Deleting loses its table, and the models and reports of its trainings. Rounds stay."),
    Part.OTHER: _("Everything else in the folder of the study."),
}
_DELETABLE = (Part.ROUND, Part.COMPARISON)


class DiskSection(Section):
    """Measures while it is unfolded.

    Args:
        widget: Root of Disk.ui.
        context: What the panel works with.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(widget, context)
        self._items: tuple[DiskItem, ...] = ()
        self._measuring: TimeSlicedTask | None = None
        self._freeing: TimeSlicedTask | None = None
        self._work = MachineWork(context.services, self._note, lambda isDone: self._deleteThere())
        self._machines: list[str] = []
        self._setUpTable()
        self._say("")
        self.ui.freeCacheButton.connect("clicked()", self._freeCache)
        self.ui.deleteRoundButton.connect("clicked()", self._deleteRound)
        widget.connect("contentsCollapsed(bool)", lambda collapsed: self.measureAgain())
        self._session.study_changed.connect(self.measureAgain)
        self._session.rounds_changed.connect(self.measureAgain)
        self._session.state_changed.connect(self.refresh)
        self.measureAgain()
        self.refresh()

    def enter(self) -> None:
        """Refresh when the panel is shown."""
        self.measureAgain()

    def cleanup(self) -> None:
        """Stop what is going on; what is half deleted goes away with the study's folder."""
        for portions in (self._measuring, self._freeing):
            if portions is not None:
                portions.cancel()
        self._work.cleanup()

    def measureAgain(self) -> None:
        """Measure in the background, unless the section is folded."""
        if self._measuring is not None:
            self._measuring.cancel()
            self._measuring = None
        if self._session.study is None:
            self._show(())
        elif not self._widget.collapsed:
            work = self._measure(self._session.folder)
            self._measuring = TimeSlicedTask(work, self._show, self._dialogs.showError, self._show)

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui, facts, item = self.ui, self._session.facts(), self._selected()
        busy = _("Something is being deleted.") if self._freeing is not None else ""
        if applyAvailability(ui.freeCacheButton, Action.FREE_CACHE, facts, _LOST[Part.CACHE]):
            empty = "" if self._size(Part.CACHE) else _("There are no prepared images.")
            setEnabledWithReason(ui.freeCacheButton, busy or empty, _LOST[Part.CACHE])
        if applyAvailability(ui.deleteRoundButton, Action.DELETE_ROUND, facts, _LOST[Part.ROUND]):
            chosen = item is not None and item.part in _DELETABLE
            reason = "" if chosen else _("Select a round or comparison in the table first.")
            setEnabledWithReason(ui.deleteRoundButton, busy or reason, _LOST[item.part] if chosen else "")
        ui.diskLabel.setText("" if item is None else _LOST[item.part])
        ui.diskLabel.setVisible(item is not None)

    def _setUpTable(self) -> None:
        table = self.ui.diskTable
        setUpTable(table, (_("Part of the study"), _("Size")))
        table.connect("itemSelectionChanged()", self.refresh)

    def _measure(self, folder: Path) -> Generator[tuple[DiskItem, ...], None, tuple[DiskItem, ...]]:
        items: tuple[DiskItem, ...] = ()
        for items in measure(folder):
            yield items
        return items

    def _show(self, items: tuple[DiskItem, ...]) -> None:
        table, count = self.ui.diskTable, len(items)
        self._items = items
        table.setRowCount(count)
        for row, item in enumerate(items):
            table.setItem(row, 0, makeCell(_title(item)))
            table.setItem(row, 1, makeCell(size_words(item.size), qt.Qt.AlignRight))
        self.refresh()

    def _selected(self) -> DiskItem | None:
        row = self.ui.diskTable.currentRow()
        return self._items[row] if 0 <= row < len(self._items) else None

    def _size(self, part: Part) -> int:
        return sum(item.size for item in self._items if item.part is part)

    def _freeCache(self) -> None:
        item = next(item for item in self._items if item.part is Part.CACHE)
        question = _("Delete the prepared images ({size})? Nothing is lost: the next training prepares them again.")
        self._free(item, question)

    def _deleteRound(self) -> None:
        item = self._selected()
        question = _("Delete {name} ({size})?")
        self._free(item, f"{question} {_LOST[item.part]}")

    def _free(self, item: DiskItem, question: str) -> None:
        if not self._dialogs.confirm(question.format(name=round_title(item.name), size=size_words(item.size))):
            return
        jobs = [*self._session.rounds(), *comparisons(self._session.folder)]
        if not self._try(lambda: check_unused(jobs)):
            return
        self._freeing = TimeSlicedTask(self._remove(item.paths), self._freed, self._failed)
        self.refresh()

    def _remove(self, paths: tuple[Path, ...]) -> Iterator[None]:
        for path in paths:
            left = []
            for item in left_by(path):
                left += [item] if item is not None else []
                yield
            try:
                yield from remove_folder(path)
            finally:
                # It is gone by name at once, unless the system refused.
                if not path.exists():
                    remember(left)
                    self._machines += {item.machine for item in left}.difference(self._machines)

    def _freed(self, _result: None = None) -> None:
        self._freeing = None
        self._session.refresh_rounds()
        if not self._work.running:
            self._deleteThere()

    def _deleteThere(self) -> None:
        """Have what was deleted here deleted on the next of the other machines; who is away is asked later."""
        if self._machines:
            name = self._machines.pop(0)
            self._say(_("It is being deleted on {name} as well...").format(name=name))
            self._work.start("delete", name)

    def _note(self, check: Check) -> None:
        self._say(in_words(check))

    def _say(self, text: str) -> None:
        self.ui.elsewhereLabel.setText(text)
        self.ui.elsewhereLabel.setVisible(bool(text))

    def _failed(self, error: UserError) -> None:
        self._freed()
        self._dialogs.showError(error)


def _title(item: DiskItem) -> str:
    if item.part in _DELETABLE:
        what = _("Round {name}") if item.part is Part.ROUND else _("Comparison {name}")
        return what.format(name=round_title(item.name))
    return {
        Part.DATA: _("Images and annotations"),
        Part.CACHE: _("Prepared images"),
        Part.OTHER: _("Everything else"),
    }[item.part]

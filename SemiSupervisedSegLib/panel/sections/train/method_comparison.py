"""Compare methods in section Train: which ones, what that takes, the table that fills, and the best one taken over."""

from __future__ import annotations

from collections.abc import Sequence

import qt
from slicer.i18n import tr as _

from ....jobs.comparison import Comparison, comparisons
from ....jobs.comparison_specs import annotated_cases, make_comparison_spec, new_comparison, settings_of, usual_folds
from ....jobs.comparison_table import SHORT_TITLES, TITLES, cells, remark, short_cells
from ....jobs.events import Event, TableUpdated
from ....study.errors import UserError
from ....study.model import Study
from ...logic.comparing import Choice, choices, cost_in_words
from ...logic.proposal import Proposal
from ...logic.state import Action, availability
from ...logic.wording import plain_tooltip
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, SectionPart, Widgets
from ..tables import makeCell, setUpTable
from .form import TrainingForm, markedTitle
from .run_control import RunControl

_SHOWN_METHODS = 6


class MethodComparison(SectionPart):
    """The fold "Compare methods"; progress and Stop are those of section Train.

    Args:
        ui: Widgets of Train.ui.
        context: What the panel works with.
        form: Form with preset, device and changed settings, which takes the best method over.
        control: What starts workers.
    """

    def __init__(self, ui: Widgets, context: PanelContext, form: TrainingForm, control: RunControl) -> None:
        super().__init__(ui, context)
        self._form, self._control, self._runner = form, control, context.runner
        self._study: Study | None = None
        self._last: Comparison | None = None
        self._choices: tuple[Choice, ...] = ()
        # Until then there are as many as usual for the images that are annotated by now.
        self._foldsChosen = False
        setUpTable(ui.compareTable, [_(title) for title in SHORT_TITLES])
        rowHeight = ui.compareTable.verticalHeader().defaultSectionSize
        ui.compareMethodsList.setMaximumHeight(_SHOWN_METHODS * rowHeight)
        ui.compareStartButton.connect("clicked()", lambda: control.mayStart() and self._try(self._start))
        ui.compareResumeButton.connect("clicked()", lambda: self._try(lambda: control.resume(self._last)))
        ui.compareBestButton.connect("clicked()", self._takeBest)
        ui.compareButton.connect("contentsCollapsed(bool)", lambda collapsed: self.refresh())
        ui.compareFoldsBox.connect("valueChanged(int)", lambda value: self._chooseFolds())
        ui.compareMethodsList.connect("itemChanged(QListWidgetItem*)", lambda item: self.refresh())

    def latest(self) -> list[Comparison]:
        """Return the last comparison of the study, none before the first."""
        return [] if self._last is None else [self._last]

    def showStudy(self) -> None:
        """Show another study, or a change of it: what can be compared, and the table of its last comparison."""
        study = self._session.study
        found = [] if study is None else comparisons(study.folder)
        self._last = found[-1] if found else None
        if study != self._study:
            isOther = study is None or self._study is None or study.folder != self._study.folder
            self._fillMethods(study, () if isOther else self.methods())
            self._study = study
            self._limitFolds(isOther)
            if isOther and self._last is not None and not self._last.is_finished():
                # It runs, or waits to be resumed.
                self.ui.compareButton.setProperty("collapsed", False)
        self._showTable()
        self.refresh()

    def methods(self) -> tuple[str, ...]:
        """Return the ids of the ticked methods."""
        items = ((choice, self.ui.compareMethodsList.item(row)) for row, choice in enumerate(self._choices))
        return tuple(choice.method for choice, item in items if item.checkState() == qt.Qt.Checked)

    def take(self, events: Sequence[Event]) -> None:
        """Fill the table when a training of the comparison has ended."""
        if isinstance(self._runner.folder, Comparison) and any(isinstance(event, TableUpdated) for event in events):
            self._showTable()

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui, facts, last = self.ui, self._session.facts(), self._last
        reason = availability(facts, Action.SET_UP_TRAINING)
        setEnabledWithReason(ui.compareMethodsList, reason)
        setEnabledWithReason(ui.compareFoldsBox, reason, _("Groups of annotated images that are held back in turn"))
        hint = _("Train the ticked methods and score each on annotated images that it did not learn from")
        if applyAvailability(ui.compareStartButton, Action.COMPARE_METHODS, facts, hint):
            few = "" if len(self.methods()) > 1 else _("Tick at least two methods.")
            setEnabledWithReason(ui.compareStartButton, few, hint)
        isStopped = last is not None and not last.is_finished() and facts.run is None
        ui.compareResumeButton.setVisible(isStopped)
        applyAvailability(ui.compareResumeButton, Action.COMPARE_METHODS, facts, _("Go on where it was stopped"))
        self._showCost()

    def _fillMethods(self, study: Study | None, ticked: Sequence[str]) -> None:
        self._choices = () if study is None else choices(study)
        box = self.ui.compareMethodsList
        before = box.blockSignals(True)
        box.clear()
        for choice in self._choices:
            title = markedTitle(choice.title, choice.is_recommended)
            item = qt.QListWidgetItem(title)
            usable = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable
            item.setFlags(usable if not choice.problem else qt.Qt.NoItemFlags)
            isTicked = choice.method in ticked if ticked else choice.is_proposed
            item.setCheckState(qt.Qt.Checked if isTicked and not choice.problem else qt.Qt.Unchecked)
            # A long title is cut off in a narrow panel.
            item.setToolTip(plain_tooltip(f"{title}. {_(choice.problem or choice.summary)}"))
            box.addItem(item)
        box.blockSignals(before)

    def _limitFolds(self, isOther: bool) -> None:
        count = 0 if self._study is None else len(annotated_cases(self._study))
        box = self.ui.compareFoldsBox
        before = box.blockSignals(True)
        box.setRange(2, max(2, count))
        if isOther:
            self._foldsChosen = False
        if not self._foldsChosen:
            box.setValue(usual_folds(count))
        box.blockSignals(before)

    def _chooseFolds(self) -> None:
        self._foldsChosen = True
        self.refresh()

    def _showCost(self) -> None:
        if self.ui.compareButton.collapsed:
            # It takes time to estimate, which is not to be spent at every click elsewhere.
            return
        methods = self.methods()
        seconds = [self._form.expectedSeconds(method) for method in methods]
        self.ui.compareCostLabel.setText(_(cost_in_words(self._study, self.ui.compareFoldsBox.value, seconds)))

    def _showTable(self) -> None:
        table, widget = None if self._last is None else self._last.table(), self.ui.compareTable
        rows = () if table is None else table.methods
        widget.setVisible(bool(rows))
        widget.setRowCount(len(rows))
        for number, row in enumerate(rows):
            details = zip(TITLES, cells(row, table), strict=True)
            hint = row.problem or "\n".join(f"{_(title)}: {text}" for title, text in details if text)
            for place, text in enumerate(short_cells(row)):
                cell = makeCell(text)
                cell.setToolTip(plain_tooltip(hint))
                widget.setItem(number, place, cell)
        widget.setFixedHeight(widget.horizontalHeader().height + 2 + len(rows) * _rowHeight(widget))
        # Of what has failed for good, the remark gives name and reason.
        failed = next((row.problem for row in rows if row.problem and not row.missing), "")
        text = "" if table is None else remark(table)
        self.ui.compareLabel.setText(_(failed or text))
        self.ui.compareLabel.setVisible(bool(failed or text))
        self.ui.compareBestButton.setVisible(table is not None and bool(table.best))

    def _showError(self, error: UserError) -> None:
        self.ui.compareLabel.setText(_(str(error)))
        self.ui.compareLabel.setVisible(True)

    def _start(self) -> None:
        self._control.check(Action.COMPARE_METHODS)
        study, form = self._session.study, self._form
        spec = make_comparison_spec(
            study,
            self.methods(),
            form.preset,
            form.settings.overrides(),
            device=form.device,
            folds=self.ui.compareFoldsBox.value,
        )
        self._last = new_comparison(study, spec)
        self._control.launch(self._last)
        self._showTable()

    def _takeBest(self) -> None:
        """Set the next round up with the best method, all annotated images and the settings of the comparison."""
        spec, table = self._last.request(), self._last.table()
        self._form.choose(Proposal(table.best, "", spec.preset, settings_of(spec, table.best)))
        self._form.start.choose(None)


def _rowHeight(table: qt.QTableWidget) -> int:
    return table.verticalHeader().defaultSectionSize

"""Compare methods in section Train: which ones, what that takes, the table that fills, and the best one taken over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import qt
from slicer.i18n import tr as _

from ....jobs.comparison import Comparison, comparisons
from ....jobs.comparison_specs import make_comparison_spec, new_comparison, settings_of
from ....jobs.comparison_table import SHORT_TITLES, TITLES, cells, remark, short_cells
from ....jobs.events import Event, TableUpdated
from ....jobs.remote.record import kept_machine
from ....study.errors import UserError
from ....study.model import Study
from ...logic.comparing import cost_in_words
from ...logic.proposal import Proposal
from ...logic.state import Action, availability
from ...logic.wording import plain_tooltip
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, SectionPart, Widgets
from ..tables import makeCell, setUpTable
from .comparison_form import ComparisonForm
from .form import TrainingForm
from .run_control import RunControl


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
        self.chosen = ComparisonForm(ui, self.refresh)
        self._study: Study | None = None
        self._last: Comparison | None = None
        setUpTable(ui.compareTable, [_(title) for title in SHORT_TITLES])
        ui.compareStartButton.connect("clicked()", lambda: control.mayStart() and self._try(self._start))
        ui.compareResumeButton.connect("clicked()", lambda: self._try(lambda: control.resume(self._last)))
        ui.compareBestButton.connect("clicked()", self._takeBest)
        ui.compareButton.connect("contentsCollapsed(bool)", lambda collapsed: self.refresh())

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
            self.chosen.showStudy(study)
            self._study = study
            if isOther and self._last is not None and not self._last.is_finished():
                # It runs, or waits to be resumed.
                self.ui.compareButton.setProperty("collapsed", False)
        self._showTable()
        self.refresh()

    def take(self, events: Sequence[Event]) -> None:
        """Fill the table when a training of the comparison has ended."""
        if isinstance(self._runner.folder, Comparison) and any(isinstance(event, TableUpdated) for event in events):
            self._showTable()

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui, facts, last = self.ui, self._session.facts(), self._last
        self.chosen.setPlace(facts.machine)
        self.chosen.setAvailable(availability(facts, Action.SET_UP_TRAINING))
        hint = _("Train the ticked methods and score each on annotated images that it did not learn from")
        if applyAvailability(ui.compareStartButton, Action.COMPARE_METHODS, facts, hint):
            setEnabledWithReason(ui.compareStartButton, self._problem(), hint)
        isStopped = last is not None and not last.is_finished() and facts.run is None
        ui.compareResumeButton.setVisible(isStopped)
        # It goes on where its trainings are, wherever the next round runs.
        machine = kept_machine(last) if isStopped else ""
        hint = _("Go on where it was stopped, on {machine}") if machine else _("Go on where it was stopped")
        there = replace(facts, machine=machine)
        applyAvailability(ui.compareResumeButton, Action.COMPARE_METHODS, there, hint.format(machine=machine))
        self._showCost()

    def _problem(self) -> str:
        """Return why what is chosen cannot be compared, empty when it can."""
        if len(self.chosen.methods()) < 2:
            return _("Tick at least two methods.")
        try:
            self.chosen.extent()
        except UserError as error:
            return _(str(error))
        return ""

    def _showCost(self) -> None:
        if self.ui.compareButton.collapsed:
            # It takes time to estimate, which is not to be spent at every click elsewhere.
            return
        seconds = [self._form.expectedSeconds(method) for method in self.chosen.methods()]
        try:
            text = cost_in_words(self._study, self.chosen.extent(), seconds)
        except UserError as error:
            text = str(error)
        self.ui.compareCostLabel.setText(_(text))

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
        study, form, extent = self._session.study, self._form, self.chosen.extent()
        spec = make_comparison_spec(
            study,
            self.chosen.methods(),
            form.preset,
            form.settings.overrides(),
            # Which ones another machine has, it finds out itself.
            device="auto" if extent.machine else form.device,
            seeds=range(extent.repetitions),
            folds=extent.folds,
            label_counts=extent.label_counts,
        )
        self._last = new_comparison(study, replace(spec, at_once=extent.at_once, machine=extent.machine))
        self._control.launch(self._last, extent.machine)
        self._showTable()

    def _takeBest(self) -> None:
        """Set the next round up with the best method, all annotated images and the settings of the comparison."""
        spec, table = self._last.request(), self._last.table()
        self._form.choose(Proposal(table.best, "", spec.preset, settings_of(spec, table.best)))
        self._form.start.choose(None)


def _rowHeight(table: qt.QTableWidget) -> int:
    return table.verticalHeader().defaultSectionSize

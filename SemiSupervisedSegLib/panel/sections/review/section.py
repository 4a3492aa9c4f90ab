"""The section Review: the results of a round by priority for review, and the user's decisions on them."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import qt
from slicer.i18n import tr as _

from ....jobs.folder import JobFolder
from ....jobs.results import CaseSummary, read_summaries
from ....jobs.rounds import number_of
from ....study.errors import UserError
from ...logic.decisions import Decision, read_decisions, write_decisions
from ...logic.ranking import neighbour, next_to_review, ranked
from ...logic.round_names import round_title
from ...logic.state import Action, Facts, availability
from ...signal import Signal
from ...time_slices import TimeSlicedTask
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, Section
from ..tables import FittingColumns, GrowingTable, setUpView
from .decision_buttons import DecisionButtons
from .menu import ResultMenu
from .model import NAME, ReviewModel, makeRows
from .rounds_table import RoundsTable
from .shortcuts import Shortcuts
from .view import ReviewView

# Letters of a name that are enough to tell images apart.
_LEAST_NAME = 9


class ReviewSection(Section):
    """Goes through the results of a round.

    Args:
        widget: Root of Review.ui.
        context: What the panel works with.

    Attributes:
        trainWanted: The user wants to train the next round.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(widget, context)
        session = self._session
        self.trainWanted = Signal()
        self._order: list[CaseSummary] = []
        self._decisions: dict[str, Decision] = {}
        self._loaded: JobFolder | None = None
        self._loading: TimeSlicedTask | None = None
        self._filling = False
        self._underMouse: str | None = None
        self._firstIsWanted = False
        self.model = ReviewModel()
        self._growing = GrowingTable(self.ui.resultsTable)
        self.view = ReviewView(self.ui, context)
        self.decisionButtons = DecisionButtons(self.ui, context, self)
        self._rounds = RoundsTable(self.ui, session)
        self._shortcuts = Shortcuts(self.ui)
        self._setUpTable()
        self._connect()
        session.study_changed.connect(self._showRows)
        session.study_changed.connect(self._showStructures)
        session.rounds_changed.connect(self._showRounds)
        session.case_changed.connect(self._showCase)
        session.state_changed.connect(self.refresh)
        self._showStructures()
        self._showRounds()
        self.refresh()

    def cleanup(self) -> None:
        """Stop what is going on."""
        self._rounds.cleanup()
        self._stopLoading()

    def panelResized(self, height: int) -> None:
        """Let the list grow with the panel."""
        self._growing.fit(height)

    def upcomingCases(self) -> list[str]:
        """Return where the buttons lead from the shown result, and the result under the mouse."""
        cases, shown = self.model.caseIds(), self._session.case_id
        following = next_to_review(cases, shown, self.model.done())
        likely = (self._underMouse, following, neighbour(cases, shown, 1), neighbour(cases, shown, -1))
        return [case for case in dict.fromkeys(likely) if case is not None and case != shown]

    def viewSettings(self) -> dict[str, str]:
        """Return the state of the view for a saved scene."""
        return self.view.settings()

    def restoreView(self, settings: Mapping[str, str]) -> None:
        """Show things as a scene remembers them."""
        self.view.restore(settings)

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        facts, ui = self._session.facts(), self.ui
        applyAvailability(ui.roundBox, Action.STEP_THROUGH_CASES, facts, _("The round whose results are shown"))
        self._refreshSteps(facts)
        self.view.refresh("" if facts.case_id is not None else _("Show a case first: choose one of the list."))
        applyAvailability(
            ui.nextRoundButton, Action.NEXT_ROUND, facts, _("Go to Train, to learn from what you accepted")
        )
        worst = "" if self._scene.hasWorstPlace() else _("There is no map of where the two results differ.")
        hint = _("Go to where the two results differ most (key W)")
        setEnabledWithReason(ui.worstPlaceButton, availability(facts, Action.COMPARE) or worst, hint)
        self.decisionButtons.refresh(facts)
        self._shortcuts.setEnabled(not facts.editing)
        self.ui.countLabel.setText(self.model.inWords())

    def summary(self, caseId: str) -> CaseSummary | None:
        """Return the summary of a case in the round, None when the round has not segmented it."""
        row = self.model.row(caseId)
        return None if row is None else row.summary

    def decision(self, caseId: str) -> Decision | None:
        """Return the decision on the result of a case."""
        return self._decisions.get(caseId)

    def decide(self, caseId: str, decision: Decision | None) -> None:
        """Store a decision, None to take it back; raises UserError when it cannot be written."""
        self._session.check_in_place()
        decisions = {key: value for key, value in self._decisions.items() if key != caseId}
        if decision is not None:
            decisions[caseId] = decision
        # What was stored is stored: the list shows it even if the disk is full by now.
        self._decisions = decisions
        self._showRows()
        self.refresh()
        write_decisions(self._loaded, decisions)
        self._rounds.refresh()

    def moveOn(self) -> None:
        """Show the first result that has neither decision nor annotation, and stay where it is when there is none."""
        following = next_to_review(self.model.caseIds(), self._session.case_id, self.model.done())
        if following is not None:
            self._show(following)

    def showFirstResult(self) -> None:
        """Show the first result of the list as soon as it is read, unless something is being edited."""
        self._firstIsWanted = self._loading is not None
        if not self._firstIsWanted and self.model.caseIds() and not self._session.facts().editing:
            self._show(self.model.caseIds()[0])

    def step(self, places: int) -> None:
        """Show the result that is so many places further down the list."""
        following = neighbour(self.model.caseIds(), self._session.case_id, places)
        if following is not None:
            self._open(following)

    def _setUpTable(self) -> None:
        table = self.ui.resultsTable
        table.setModel(self.model)
        table.setMouseTracking(True)
        setUpView(table)
        table.setTextElideMode(qt.Qt.ElideMiddle)
        self._columns = FittingColumns(table, self.model, {NAME: _LEAST_NAME})
        self._menu = ResultMenu(self.ui, self._sortByPriority)
        table.horizontalHeader().setSortIndicator(-1, qt.Qt.AscendingOrder)
        table.setSortingEnabled(True)
        self.model.rearranged.connect(self._markRow)

    def _sortByPriority(self) -> None:
        self.ui.resultsTable.sortByColumn(-1, qt.Qt.AscendingOrder)

    def _connect(self) -> None:
        ui = self.ui
        ui.roundBox.connect("activated(int)", self._chooseRound)
        ui.previousButton.connect("clicked()", lambda: self.step(-1))
        ui.nextButton.connect("clicked()", lambda: self.step(1))
        ui.worstPlaceButton.connect("clicked()", lambda: self._try(self._scene.goToWorstPlace))
        ui.nextRoundButton.connect("clicked()", self.trainWanted.emit)
        ui.resultsTable.connect("entered(QModelIndex)", lambda index: self._hover(index.row()))
        changed = "selectionChanged(QItemSelection,QItemSelection)"
        ui.resultsTable.selectionModel().connect(changed, lambda *_: self._rowChosen())

    def _hover(self, row: int) -> None:
        self._underMouse = self.model.caseIds()[row]
        self._session.upcoming_changed.emit()

    def _chooseRound(self, index: int) -> None:
        name = self.ui.roundBox.itemData(index)
        if self._context.editing.mayLeave():
            self._try(lambda: self._session.choose_round(name))
        else:
            self._showRounds()

    def _showRounds(self) -> None:
        box, chosen = self.ui.roundBox, self._session.round
        box.clear()
        for folder in reversed(self._session.rounds()):
            if folder.predictions.is_dir():
                box.addItem(round_title(folder.name), folder.name)
        box.setCurrentIndex(-1 if chosen is None else box.findData(chosen.name))
        self._load(chosen)

    def _load(self, folder: JobFolder | None) -> None:
        """Read the summaries of a round in portions; those of another round are shown no longer at once."""
        self._stopLoading()
        if folder is None or self._loaded is None or folder.path != self._loaded.path:
            self._order, self._decisions = [], {}
            self._showRows()
            self._showCase()
        self._loaded = folder
        if folder is not None:
            self._loading = TimeSlicedTask(self._read(folder), self._showRead, self._failed)

    def _read(self, folder: JobFolder) -> Generator[int, None, tuple[list[CaseSummary], dict[str, Decision]]]:
        summaries = []
        for summary in read_summaries(folder):
            summaries.append(summary)
            yield len(summaries)
        spec = folder.spec()
        annotated = {case.id for case in spec.cases if case.annotation is not None}
        yield len(summaries)
        order = ranked(summaries, annotated, study=spec.study_name, round_number=number_of(folder.path))
        return order, read_decisions(folder)

    def _showRead(self, found: tuple[list[CaseSummary], dict[str, Decision]]) -> None:
        self._loading = None
        self._order, self._decisions = found
        self._showRows()
        self._showCase()
        self.refresh()
        self._session.upcoming_changed.emit()
        if self._firstIsWanted:
            self.showFirstResult()

    def _failed(self, error: UserError) -> None:
        self._loading = None
        self.refresh()
        self._dialogs.showError(error)

    def _stopLoading(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None

    def _showStructures(self) -> None:
        study = self._session.study
        structures = () if study is None else study.structures
        self.view.showLegend(structures)
        self.view.offerHeatmaps(structures)

    def _showRows(self) -> None:
        self._filling = True
        self._underMouse = None
        self.model.setRows(makeRows(self._order, self._decisions, self._session.study))
        self._filling = False
        self._columns.fit()
        self._growing.fit()
        self._markRow()

    def _showCase(self) -> None:
        caseId, study = self._session.case_id, self._session.study
        summary = None if caseId is None else self.summary(caseId)
        self.view.showNumbers(summary, () if study is None else study.structures)
        self.view.showFlags(() if summary is None else self.model.row(caseId).flags)
        self._markRow()
        self._session.set_facts(predicted=summary is not None)

    def _markRow(self) -> None:
        row, table = self.model.rowOf(self._session.case_id), self.ui.resultsTable
        self._filling = True
        if row < 0:
            table.clearSelection()
        else:
            table.selectRow(row)
            table.scrollTo(self.model.index(row, 0))
        self._filling = False

    def _rowChosen(self) -> None:
        rows = [index.row() for index in self.ui.resultsTable.selectionModel().selectedRows()]
        if not self._filling and rows:
            self._open(self.model.caseIds()[rows[0]])

    def _open(self, caseId: str) -> None:
        """Show another result, unless the user stays with what is being corrected."""
        if caseId != self._session.case_id and self._context.editing.mayLeave():
            self._show(caseId)
        else:
            self._markRow()

    def _show(self, caseId: str) -> None:
        self._try(lambda: self._session.show(caseId))

    def _refreshSteps(self, facts: Facts) -> None:
        cases, shown = self.model.caseIds(), self._session.case_id
        for button, places, end in (
            (self.ui.previousButton, -1, _("This is the first image of the list.")),
            (self.ui.nextButton, 1, _("This is the last image of the list.")),
        ):
            hint = _("Show the image above (key P)") if places < 0 else _("Show the image below (key N)")
            if applyAvailability(button, Action.STEP_THROUGH_CASES, facts, hint):
                empty = "" if cases else _("This round has not segmented any image.")
                setEnabledWithReason(button, empty or ("" if neighbour(cases, shown, places) else end), hint)

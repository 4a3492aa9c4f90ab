"""What the user decides about a result: correct, accept, reject, and undo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from slicer.i18n import tr as _

from ....jobs.results import CaseSummary
from ....study.errors import UserError
from ....study.model import Case, Role, Study
from ...logic.accepting import WriteAnnotation, accept, prediction_writer, take_back
from ...logic.decisions import Decision
from ...logic.state import Action, Facts, availability
from ..buttons import setEnabledWithReason
from ..editing import EditingSession
from ..section import PanelContext, Widgets


class Results(Protocol):
    """The results under review."""

    def summary(self, caseId: str) -> CaseSummary | None:
        """Return what the round says about a case."""
        ...

    def decision(self, caseId: str) -> Decision | None:
        """Return the decision on a case."""
        ...

    def decide(self, caseId: str, decision: Decision | None) -> None:
        """Keep a decision, None to take it back."""
        ...

    def moveOn(self) -> None:
        """Show the next result without a decision."""
        ...


class DecisionButtons(EditingSession):
    """The buttons for the shown result; a correction is an editing session that ends by accepting.

    Args:
        ui: Widgets of Review.ui.
        context: What the panel works with.
        results: The results under review.
    """

    saveText = _("Accept corrected")
    saveHint = _("Use what you corrected as the annotation of this image")
    discardQuestion = _("Give up your correction of {case}?")

    def __init__(self, ui: Widgets, context: PanelContext, results: Results) -> None:
        super().__init__(ui, context)
        self._results = results
        self._order: list[tuple[Path, str]] = []
        self._corrected_ml: float | None = None
        ui.kindBox.addItem(_("final"), "final")
        ui.kindBox.addItem(_("prototype-based"), "prototype")
        ui.trainWithBox.setToolTip(_("Accepted images become labeled ones; otherwise they keep their role"))
        for button, action in (
            (ui.correctButton, self.correct),
            (ui.acceptButton, self.accept),
            (ui.rejectButton, self.reject),
            (ui.undoButton, self.undo),
        ):
            button.connect("clicked()", lambda action=action: self._try(action))

    def refresh(self, facts: Facts) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui = self.ui
        decision = None if facts.case_id is None else self._results.decision(facts.case_id)
        corrected = self._isCorrected(facts)
        ui.acceptButton.setText(self.saveText if corrected else _("Accept"))
        acceptHint = self.saveHint if corrected else _("Use the chosen result as the annotation of this image (key A)")
        reasons = {
            ui.correctButton: (Action.CORRECT, _("Edit a copy of the result before you accept it (key C)")),
            ui.acceptButton: (Action.ACCEPT, acceptHint),
            ui.rejectButton: (Action.REJECT, _("Do not use this result; the case stays as it is (key R)")),
        }
        for button, (action, hint) in reasons.items():
            setEnabledWithReason(button, availability(facts, action) or self._whyNot(facts, decision), hint)
        self._refreshUndo(facts)
        setEnabledWithReason(ui.kindBox, availability(facts, Action.COMPARE), _("Which result to correct or accept"))

    def correct(self) -> None:
        """Edit a copy of the chosen result, or continue with changes that were left before."""
        study, caseId = self._session.study, self._session.case_id
        case = study.case(caseId)
        if self._scene.hasUnsavedAnnotation():
            words, node = _("Going on with your changes of {case}."), self._scene.prepareAnnotation(study, case)
        else:
            words = _("Correcting {case}. Accept it when it is right.")
            node = self._scene.prepareCorrection(study, case, self.ui.kindBox.currentData)
        # What is edited is always seen.
        self.ui.showAnnotationBox.setChecked(True)
        self._begin(caseId, words.format(case=case.title), node)

    def save(self) -> bool:
        """Accept the correction; return whether that succeeded."""
        return self._try(self.accept)

    def accept(self) -> None:
        """Store the chosen result, or what the user made of it, as the annotation of the case, and go to the next."""
        caseId, folder = self._session.case_id, self._session.round
        corrected = self._isCorrected(self._session.facts())
        kind = self.ui.kindBox.currentData
        if not corrected and self._results.summary(caseId).is_empty(kind):
            raise UserError(
                _("Nothing was found in {case}, so there is nothing to accept.").format(case=caseId),
                _("Correct the result, or reject it."),
            )
        if not self._mayReplace(self._session.study.case(caseId)):
            return
        self._corrected_ml = 0.0
        decision = self._store(caseId, self._writeFromScene if corrected else prediction_writer(folder, kind))
        self._end()
        self._decide(caseId, replace(decision, corrected_ml=self._corrected_ml))

    def reject(self) -> None:
        """Keep the case as it is, remember that this result was seen, and go to the next."""
        if self.caseId is not None and not self.discard():
            return
        self._decide(self._session.case_id, Decision("rejected"))

    def undo(self) -> None:
        """Take a decision back and show its image; an accepted result is no annotation any more.

        It is the decision on the shown result, else the last one: deciding shows the next image, and a wrong click
        is noticed right after it.
        """
        caseId = self._toUndo(self._session.facts())
        if caseId != self._session.case_id:
            if not self._context.editing.mayLeave():
                return
            self._session.show(caseId)
        decision = self._results.decision(caseId)
        if decision.verdict == "accepted":
            self._session.edit_study(lambda study: take_back(study, caseId, decision))
        self._order = [entry for entry in self._order if entry != (self._session.round.path, caseId)]
        self._results.decide(caseId, None)

    def _decide(self, caseId: str, decision: Decision) -> None:
        entry = (self._session.round.path, caseId)
        self._order = [*(other for other in self._order if other != entry), entry]
        self._results.decide(caseId, decision)
        self._results.moveOn()

    def _toUndo(self, facts: Facts) -> str | None:
        """Return the case whose decision Undo takes back, None when there is none."""
        if facts.case_id is not None and self._results.decision(facts.case_id) is not None:
            return facts.case_id
        folder = None if facts.round is None else facts.round.path
        decided = (case for place, case in reversed(self._order) if place == folder)
        return next((case for case in decided if self._results.decision(case) is not None), None)

    def _refreshUndo(self, facts: Facts) -> None:
        caseId = self._toUndo(facts)
        verdict = "" if caseId is None else self._results.decision(caseId).verdict
        hint = _("Undo: {case} accepted (key Z)") if verdict == "accepted" else _("Undo: {case} rejected (key Z)")
        nothing = _("There is no decision on this result yet.") if caseId is None else ""
        reason = availability(facts, Action.STEP_THROUGH_CASES) or nothing
        setEnabledWithReason(
            self.ui.undoButton, reason, hint.format(case=facts.study.title_of(caseId) if caseId else "")
        )

    def _isCorrected(self, facts: Facts) -> bool:
        return self.caseId is not None or (facts.predicted and self._scene.hasUnsavedAnnotation())

    def _whyNot(self, facts: Facts, decision: Decision | None) -> str:
        if facts.editing and self.caseId is None:
            return _("Save the annotation that you are editing first, or discard it.")
        if decision is None:
            return ""
        verdict = _("accepted") if decision.verdict == "accepted" else _("rejected")
        return _("This result is {verdict}. Click Undo to decide again.").format(verdict=verdict)

    def _mayReplace(self, case: Case) -> bool:
        if case.annotation is None:
            return True
        text = _("{case} has an annotation already. Replace it? The old one stays as a file.")
        if case.role is Role.VALIDATION:
            text = _(
                "{case} has an annotation that tells how well models work. With a model's own result in its place, "
                "models look better than they are. Replace it? The old one stays as a file."
            )
        return self._dialogs.confirm(text.format(case=case.title))

    def _store(self, caseId: str, write: WriteAnnotation) -> Decision:
        decisions: list[Decision] = []

        def changed(study: Study) -> Study:
            result, decision = accept(study, caseId, write, use_for_training=self.ui.trainWithBox.checked)
            decisions.append(decision)
            return result

        try:
            self._session.edit_study(changed)
        except UserError:
            for decision in decisions:
                self._removeUnused(caseId, self._session.folder / decision.annotation)
            raise
        return decisions[-1]

    def _writeFromScene(self, study: Study, case: Case, target: Path) -> None:
        self._corrected_ml = self._scene.saveAnnotation(study, case, target)

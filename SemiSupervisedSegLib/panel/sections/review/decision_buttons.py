"""What the user makes of a result: correct, accept, reject, and take it back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ....study.errors import UserError
from ....study.model import Case, Role, Study
from ...logic.accepting import WriteAnnotation, accept, prediction_writer, take_back
from ...logic.decisions import Decision
from ...logic.state import Action, availability
from ...scene.tags import isCurrent, setSource
from ...session import Session
from ..buttons import setEnabledWithReason
from ..editor import EditorBox


class DecisionButtons:
    """The buttons for the shown result.

    Args:
        ui: the widgets of Review.ui.
        session: what is open.
        scene: of cases.
        dialogs: for what would be replaced, and for errors.
        results: the results under review with `summary(caseId)`, `decision(caseId)`, `decide(caseId, decision)`.
        moveOn: shows the next result.

    Attributes:
        correcting: the case whose result is being corrected, None when none is.
    """

    def __init__(
        self, ui: Any, session: Session, scene: Any, dialogs: Any, results: Any, moveOn: Callable[[], None]
    ) -> None:
        self.ui, self._session, self._scene, self._dialogs = ui, session, scene, dialogs
        self._results, self._moveOn = results, moveOn
        self.correcting: str | None = None
        self.editor = EditorBox(ui.correctionContainer)
        ui.correctionBox.setVisible(False)
        ui.kindBox.addItem(_("final result"), "final")
        ui.kindBox.addItem(_("prototype-based result"), "prototype")
        for button, action in (
            (ui.correctButton, self.correct),
            (ui.acceptButton, self.accept),
            (ui.rejectButton, self.reject),
            (ui.undoButton, self.undo),
            (ui.discardCorrectionButton, self.discard),
        ):
            button.connect("clicked()", lambda action=action: self._try(action))
        # Of both, because with another study the nodes go before another case is shown.
        for signal in (session.study_changed, session.case_changed):
            signal.connect(self._leaveOtherCase)

    def refresh(self, facts: Any) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui = self.ui
        decision = None if facts.case_id is None else self._results.decision(facts.case_id)
        corrected = self._isCorrected(facts)
        ui.acceptButton.setText(_("Accept corrected") if corrected else _("Accept"))
        acceptHint = (
            _("Use what you corrected as the annotation of this image")
            if corrected
            else _("Use the chosen result as the annotation of this image")
        )
        reasons = {
            ui.correctButton: (Action.CORRECT, _("Edit a copy of the result before you accept it")),
            ui.acceptButton: (Action.ACCEPT, acceptHint),
            ui.rejectButton: (Action.REJECT, _("Do not use this result; the case stays as it is")),
        }
        for button, (action, hint) in reasons.items():
            setEnabledWithReason(button, availability(facts, action) or self._whyNot(facts, decision), hint)
        nothing = "" if decision is not None else _("There is no decision on this result yet.")
        reason = availability(facts, Action.REJECT) or nothing
        setEnabledWithReason(ui.undoButton, reason, _("Take your decision on this result back"))
        setEnabledWithReason(ui.kindBox, availability(facts, Action.COMPARE), _("Which result to correct or accept"))
        ui.trainWithBox.setToolTip(_("Accepted images become labeled ones; otherwise they keep their role"))

    def mayLeave(self) -> bool:
        """Whether nothing is being edited that was not accepted or saved yet, or the user agrees to leave it."""
        if not self._session.facts().editing or not self._scene.hasUnsavedAnnotation():
            return True
        question = _("Your changes of {case} are not accepted yet. Leave it? They wait in the scene until you return.")
        return self._dialogs.confirm(question.format(case=self._session.case_id))

    def correct(self) -> None:
        """Edit a copy of the chosen result, or go on with changes that were left before."""
        study, caseId = self._session.study, self._session.case_id
        case = study.case(caseId)
        goesOn = self._scene.hasUnsavedAnnotation()
        if goesOn:
            node = self._scene.prepareAnnotation(study, case)
        else:
            node = self._scene.prepareCorrection(study, case, self.ui.kindBox.currentData)
        self.editor.edit(node, self._scene.nodes.volume)
        # What is edited is always seen.
        self.ui.showAnnotationBox.setChecked(True)
        self.correcting = caseId
        words = (
            _("Going on with your changes of {case}.")
            if goesOn
            else _("Correcting {case}. Accept it when it is right.")
        )
        self.ui.correctionLabel.setText(words.format(case=caseId))
        self.ui.correctionBox.setVisible(True)
        self._session.set_facts(editing=True)

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
        decision = self._store(caseId, self._writeFromScene if corrected else prediction_writer(folder, kind))
        self._end()
        self._results.decide(caseId, decision)
        self._moveOn()

    def reject(self) -> None:
        """Keep the case as it is, remember that this result was looked at, and go to the next."""
        if self.correcting is not None and not self._mayDiscard():
            return
        self._giveUp()
        self._results.decide(self._session.case_id, Decision("rejected"))
        self._moveOn()

    def undo(self) -> None:
        """Take the decision on the shown result back; an accepted one is no annotation any more."""
        caseId = self._session.case_id
        decision = self._results.decision(caseId)
        if decision.verdict == "accepted":
            self._session.edit_study(lambda study: take_back(study, caseId, decision))
        self._results.decide(caseId, None)

    def discard(self) -> None:
        """Give the correction up; the user is asked before changes are lost."""
        if self._mayDiscard():
            self._giveUp()

    def _isCorrected(self, facts: Any) -> bool:
        return self.correcting is not None or (facts.predicted and self._scene.hasUnsavedAnnotation())

    def _whyNot(self, facts: Any, decision: Decision | None) -> str:
        if facts.editing and self.correcting is None:
            return _("Save the annotation that you are editing under Cases first, or discard it.")
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
        return self._dialogs.confirm(text.format(case=case.id))

    def _store(self, caseId: str, write: WriteAnnotation) -> Decision:
        decisions: list[Decision] = []

        def change(study: Study) -> Study:
            changed, decision = accept(study, caseId, write, use_for_training=self.ui.trainWithBox.checked)
            decisions.append(decision)
            return changed

        try:
            self._session.edit_study(change)
        except UserError:
            self._takeBackFile(caseId, decisions)
            raise
        return decisions[-1]

    def _takeBackFile(self, caseId: str, decisions: list[Decision]) -> None:
        """After the study could not be saved, a correction in the scene counts as not saved, and no file is left."""
        study = self._session.study
        for decision in decisions:
            if study.case(caseId).annotation != decision.annotation:
                node = self._scene.nodes.annotation
                if node is not None and isCurrent(node, study.folder / decision.annotation):
                    setSource(node, None, "")
                with contextlib.suppress(OSError):
                    (study.folder / decision.annotation).unlink()

    def _writeFromScene(self, study: Study, case: Case, target: Any) -> None:
        self._scene.saveAnnotation(study, case, target)

    def _mayDiscard(self) -> bool:
        question = _("Give up your correction of {case}?")
        return not self._scene.hasUnsavedAnnotation() or self._dialogs.confirm(question.format(case=self.correcting))

    def _giveUp(self) -> None:
        if self.correcting is not None:
            self._end()
            self._scene.discardAnnotation()

    def _leaveOtherCase(self) -> None:
        if self.correcting is not None and self._session.case_id != self.correcting:
            self._end()

    def _end(self) -> None:
        if self.correcting is not None:
            self.editor.release()
            self.correcting = None
            self.ui.correctionBox.setVisible(False)
            self._session.set_facts(editing=False)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except UserError as error:
            self._dialogs.showError(error)

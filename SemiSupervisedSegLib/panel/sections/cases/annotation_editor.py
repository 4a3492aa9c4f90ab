"""Annotating a case with the embedded Segment Editor, in the section Cases."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ....study.errors import UserError
from ....study.model import Case, Study
from ...logic.annotation_files import new_annotation_file, with_annotation
from ...logic.state import Action
from ...scene.tags import setSource
from ...session import Session
from ..buttons import applyAvailability
from ..editor import EditorBox


class AnnotationEditor:
    """From the button Annotate to the saved annotation.

    Args:
        ui: the widgets of Cases.ui.
        session: what is open.
        scene: of cases.
        dialogs: for what would be lost, and for errors.

    Attributes:
        caseId: the case that is being annotated, None when none is.
    """

    def __init__(self, ui: Any, session: Session, scene: Any, dialogs: Any) -> None:
        self.ui, self._session, self._scene, self._dialogs = ui, session, scene, dialogs
        self.caseId: str | None = None
        self.editor = EditorBox(ui.editorContainer)
        ui.editorBox.setVisible(False)
        ui.saveAnnotationButton.connect("clicked()", self.save)
        ui.discardButton.connect("clicked()", self.close)
        # Of both, because with another study the nodes go before another case is shown.
        for signal in (session.study_changed, session.case_changed):
            signal.connect(self._leaveOtherCase)

    def start(self, caseId: str) -> None:
        """Show a case and edit its annotation; the user is told when that is not possible."""
        if caseId == self.caseId or not self.mayLeave():
            return
        self._end()
        try:
            self._session.show(caseId)
            study = self._session.study
            node = self._scene.prepareAnnotation(study, study.case(caseId))
            self.editor.edit(node, self._scene.nodes.volume)
        except UserError as error:
            self._dialogs.showError(error)
            return
        self.caseId = caseId
        self.ui.editorLabel.setText(_("Annotating {case}").format(case=caseId))
        self.ui.editorBox.setVisible(True)
        self._session.set_facts(editing=True)

    def save(self) -> bool:
        """Save the annotation as a new file and make it the annotation of the case; returns whether that worked."""
        structures = self._annotatedFor(self._session.study.case(self.caseId))
        written: list[Path] = []
        try:
            self._session.edit_study(lambda study: self._written(study, structures, written))
        except UserError as error:
            self._takeBack(written)
            self._dialogs.showError(error)
            return False
        self._end()
        return True

    def close(self) -> None:
        """Stop annotating; the user is asked before changes are discarded."""
        if self._isUnsaved():
            question = _("Discard the changes to the annotation of {case}?")
            if not self._dialogs.confirm(question.format(case=self.caseId)):
                return
            self.editor.release()
            try:
                self._scene.discardAnnotation()
            except UserError as error:
                self._dialogs.showError(error)
        self._end()

    def mayLeave(self) -> bool:
        """Whether everything is saved, or the user agrees to come back to it later."""
        if not self._isUnsaved():
            return True
        question = _(
            "The annotation of {case} is not saved. Leave it for now? It waits in the scene until you annotate the "
            "case again or close the scene."
        )
        return self._dialogs.confirm(question.format(case=self.caseId))

    def refresh(self, facts: Any) -> None:
        """Enable what can be done now."""
        applyAvailability(
            self.ui.saveAnnotationButton,
            Action.SAVE_ANNOTATION,
            facts,
            _("Save into the study; the annotation before is kept as a file"),
        )

    def _isUnsaved(self) -> bool:
        return self.caseId is not None and self._scene.hasUnsavedAnnotation()

    def _annotatedFor(self, case: Case) -> tuple[str, ...] | None:
        """The structures that the user has looked for; what is not drawn of them is background."""
        if case.structures is None:
            return None
        new = [item.name for item in self._session.study.structures if item.name not in case.structures]
        question = _("Did you look for {names} in {case} as well? What is not drawn counts as not there.")
        return None if self._dialogs.confirm(question.format(names=", ".join(new), case=case.id)) else case.structures

    def _written(self, study: Study, structures: tuple[str, ...] | None, written: list[Path]) -> Study:
        """The study with the annotation in a new file, which is added to `written`."""
        target = new_annotation_file(study, self.caseId)
        self._scene.saveAnnotation(study, study.case(self.caseId), target)
        written.append(target)
        return with_annotation(study, self.caseId, target, structures)

    def _takeBack(self, written: list[Path]) -> None:
        """After a failure the annotation in the scene is the only one: it counts as not saved, and no file is left."""
        study = self._session.study
        for target in written:
            if study.annotation_path(study.case(self.caseId)) != target:
                setSource(self._scene.nodes.annotation, None, "")
                with contextlib.suppress(OSError):
                    target.unlink(missing_ok=True)

    def _leaveOtherCase(self) -> None:
        if self.caseId is not None and self._session.case_id != self.caseId:
            self._end()

    def _end(self) -> None:
        if self.caseId is not None:
            self.editor.release()
            self.caseId = None
            self.ui.editorBox.setVisible(False)
            self._session.set_facts(editing=False)

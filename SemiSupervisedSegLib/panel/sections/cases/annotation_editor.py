"""Annotating a case with the Segment Editor, from the button Annotate to the saved annotation."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from ....study.errors import UserError
from ....study.model import Case, Study
from ...logic.annotation_files import new_annotation_file, with_annotation
from ..editing import EditingSession
from ..section import PanelContext, Widgets


class AnnotationEditor(EditingSession):
    """Edits the annotation of a case and saves it as a new file of the study."""

    saveText = _("Save annotation")
    saveHint = _("Save into the study; the previous annotation stays as a file")
    discardQuestion = _("Discard the changes to the annotation of {case}?")

    def __init__(self, ui: Widgets, context: PanelContext) -> None:
        super().__init__(ui, context)
        self._waiting = ""
        self._session.state_changed.connect(self._continue)

    def start(self, caseId: str) -> None:
        """Show a case and edit its annotation; a message says when that is not possible."""
        if caseId != self.caseId and self._context.editing.mayLeave():
            self._end()
            self._try(lambda: self._start(caseId))

    def save(self) -> bool:
        """Save the annotation as a new file and make it the annotation of the case; return whether that succeeded."""
        caseId = self.caseId
        structures = self._annotatedFor(self._session.study.case(caseId))
        written: list[Path] = []
        try:
            self._session.edit_study(lambda study: self._written(study, structures, written))
        except UserError as error:
            for file in written:
                self._removeUnused(caseId, file)
            self._showError(error)
            return False
        self._end()
        return True

    def _start(self, caseId: str) -> None:
        self._session.show(caseId)
        self._waiting = caseId
        self._continue()

    def _continue(self) -> None:
        """Begin when the image is read, unless another case is shown by then."""
        facts = self._session.facts()
        if self._waiting and not facts.reading:
            caseId, self._waiting = self._waiting, ""
            if caseId == facts.case_id:
                self._try(lambda: self._edit(caseId))

    def _edit(self, caseId: str) -> None:
        study = self._session.study
        node = self._scene.prepareAnnotation(study, study.case(caseId))
        self._begin(caseId, _("Annotating {case}").format(case=study.title_of(caseId)), node)

    def _annotatedFor(self, case: Case) -> tuple[str, ...] | None:
        """Return the structures that the user has looked for; what is not drawn of them is background."""
        if case.structures is None:
            return None
        new = [item.name for item in self._session.study.structures if item.name not in case.structures]
        question = _("Did you look for {names} in {case} as well? What is not drawn counts as not there.")
        return (
            None if self._dialogs.confirm(question.format(names=", ".join(new), case=case.title)) else case.structures
        )

    def _written(self, study: Study, structures: tuple[str, ...] | None, written: list[Path]) -> Study:
        """Return the study with the annotation in a new file, which is added to `written`."""
        target = new_annotation_file(study, self.caseId)
        self._scene.saveAnnotation(study, study.case(self.caseId), target)
        written.append(target)
        return with_annotation(study, self.caseId, target, structures)

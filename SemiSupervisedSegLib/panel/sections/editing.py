"""The Segment Editor of the panel, and what annotating and correcting have in common."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ..scene import nn_interactive
from ..scene.case_scene import CaseScene
from ..scene.segment_editor import SegmentEditor
from .buttons import setEnabledWithReason
from .held_key import HeldKey
from .section import PanelContext, SectionPart, Widgets

if TYPE_CHECKING:
    import slicer

# What the options of Paint, the widest effect, need. The panel keeps this width once something was edited: a panel
# that changes its width while drawing moves the image away under the mouse.
_WIDTH = 560
# While something is edited the sections leave their height to the editor, whose options lie at its bottom.
_SECTIONS_HEIGHT, _NO_LIMIT = 200, 16_777_215


class EditingPane:
    """Slicer's Segment Editor below the sections, always in view, with the buttons that end the editing.

    There is one for the whole panel: two editor widgets on one parameter node take each other's undo states.

    Args:
        ui: Widgets of SemiSupervisedSeg.ui.

    Attributes:
        editor: Slicer's Segment Editor.
        peeking: The key that shows the results for as long as it is held.
        session: What is being edited, None when nothing is.
    """

    def __init__(self, ui: Widgets) -> None:
        self.ui = ui
        self.editor = SegmentEditor(ui.editorContainer)
        self.session: EditingSession | None = None
        self._handedOver = False
        # A key that neither the Segment Editor nor the views use; it is free while there is no result to look at.
        self.peeking = HeldKey("H", ui.showResultsButton, self._peek)
        ui.editingPane.setVisible(False)
        ui.saveEditButton.connect("clicked()", self._save)
        ui.discardEditButton.connect("clicked()", self._discard)
        ui.showResultsButton.connect("toggled(bool)", self._showResults)
        ui.nnInteractiveButton.connect("clicked()", self._handOver)

    def open(self, session: EditingSession, title: str, segmentation: slicer.vtkMRMLSegmentationNode) -> None:
        """Edit a segmentation of the shown case."""
        self.session = session
        ui = self.ui
        ui.editorLabel.setText(title)
        ui.saveEditButton.setText(session.saveText)
        setEnabledWithReason(ui.saveEditButton, "", session.saveHint)
        ui.showResultsButton.setChecked(False)
        ui.showResultsButton.setVisible(session.scene.hasResults())
        ui.nnInteractiveButton.setVisible(nn_interactive.isInstalled())
        ui.scrollArea.setMaximumHeight(_SECTIONS_HEIGHT)
        ui.editingPane.setMinimumWidth(_WIDTH)
        ui.editingPane.setVisible(True)
        self.editor.edit(segmentation, session.scene.nodes.volume)

    def close(self) -> None:
        """End the editing; the segmentation stays as it is."""
        self.peeking.release()
        self._takeBack()
        self.editor.release()
        self.session = None
        self.ui.editingPane.setVisible(False)
        self.ui.scrollArea.setMaximumHeight(_NO_LIMIT)

    def enter(self) -> None:
        """Edit here again what was handed over, and listen to mouse and keys: the panel is shown."""
        if self._takeBack() and (nodes := self.session.scene.nodes).annotation is not None:
            self.editor.edit(nodes.annotation, nodes.volume)
        self.editor.activate()

    def mayLeave(self) -> bool:
        """Return whether nothing unsaved is being edited, or the user agrees to return to it later."""
        return self.session is None or self.session.mayLeave()

    def _handOver(self) -> None:
        nodes, segmentId = self.session.scene.nodes, self.editor.segmentId
        # Deleted in another module: the editor is empty as well.
        if nodes.annotation is None or nodes.volume is None:
            return
        # Its undo would go back to before what comes from there.
        self.editor.release()
        self._handedOver = True
        nn_interactive.handOver(nodes.annotation, nodes.volume, segmentId)

    def _takeBack(self) -> bool:
        """Take back what was handed over, and return whether anything was."""
        wasHandedOver, self._handedOver = self._handedOver, False
        if wasHandedOver:
            nn_interactive.takeBack()
        return wasHandedOver

    def _save(self) -> None:
        self.session.save()

    def _discard(self) -> None:
        self.session.discard()

    def _peek(self, isHeld: bool) -> None:
        self._showResults(isHeld or self.ui.showResultsButton.checked)

    def _showResults(self, shown: bool) -> None:
        if self.session is not None:
            self.session.scene.showResultsWhileEditing(shown)


class EditingSession(SectionPart):
    """Edits the annotation of one case in the pane that all sections share.

    Subclasses say how the editing begins (by `_begin`) and what `save` does.

    Args:
        ui: Widgets of the section.
        context: What the panel works with.

    Attributes:
        caseId: The case that is being edited, None when none is.
        saveText: Text of the button that ends the editing with success.
        saveHint: Tooltip of that button.
        discardQuestion: Question to the user before changes are lost, with the field `{case}`.
    """

    saveText = saveHint = discardQuestion = ""

    def __init__(self, ui: Widgets, context: PanelContext) -> None:
        super().__init__(ui, context)
        self._pane = context.editing
        self.caseId: str | None = None
        # Both signals: with another study the nodes go before another case is shown.
        for signal in (self._session.study_changed, self._session.case_changed):
            signal.connect(self._leaveOtherCase)

    @property
    def title(self) -> str:
        """The title of the case that is being edited, empty when none is."""
        return "" if self.caseId is None else self._session.study.title_of(self.caseId)

    @property
    def scene(self) -> CaseScene:
        """The shown case in the MRML scene."""
        return self._scene

    def save(self) -> bool:
        """Keep what was edited as the annotation of the case, and return whether that succeeded."""
        raise NotImplementedError

    def discard(self) -> bool:
        """Stop editing and give up the changes; False when the user does not agree."""
        unsaved = self._isUnsaved()
        if unsaved and not self._dialogs.confirm(self.discardQuestion.format(case=self.title)):
            return False
        self._end()
        if unsaved:
            self._try(self._scene.discardAnnotation)
        return True

    def mayLeave(self) -> bool:
        """Return whether everything is saved, or the user agrees to return to it later."""
        if not self._isUnsaved():
            return True
        question = _(
            "Your changes of {case} are not saved. Leave them for now? They wait in the scene until you return."
        )
        return self._dialogs.confirm(question.format(case=self.title))

    def _begin(self, caseId: str, title: str, segmentation: slicer.vtkMRMLSegmentationNode) -> None:
        self.caseId = caseId
        self._pane.open(self, title, segmentation)
        self._session.set_facts(editing=True)

    def _end(self) -> None:
        if self.caseId is not None:
            self.caseId = None
            self._pane.close()
            self._scene.endEditing()
            self._session.set_facts(editing=False)

    def _isUnsaved(self) -> bool:
        return self.caseId is not None and self._scene.hasUnsavedAnnotation()

    def _removeUnused(self, caseId: str, file: Path) -> None:
        """Remove an annotation file that the unsaved study does not use; the scene keeps its content."""
        study = self._session.study
        if study.annotation_path(study.case(caseId)) != file:
            self._scene.markUnsaved(file)
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)

    def _leaveOtherCase(self) -> None:
        if self.caseId is not None and self._session.case_id != self.caseId:
            self._end()

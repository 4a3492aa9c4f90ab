"""The scene remembers the panel: written when the scene is saved, read when one is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import slicer
from slicer.i18n import tr as _

from ...study.errors import UserError
from ..logic.state import Action, availability
from .parameter_node import ROUND, SHOWN_CASE, ParameterNode

if TYPE_CHECKING:
    from ..widget import Panel

Content = TypeVar("Content", list, dict)
_FOLDED, _VIEWS = "FoldedSections", "ViewSettings"


class SceneState:
    """Follows the scene.

    Slicer's own parameterNodeWrapper would keep the same texts, but not a study folder as seen from the scene's file,
    and needs a fixed class of parameters; the settings differ between sections.

    Args:
        panel: The panel whose session, folds and sections are stored.
        mrmlScene: The scene.
    """

    def __init__(self, panel: Panel, mrmlScene: slicer.vtkMRMLScene) -> None:
        self._panel, self._scene = panel, mrmlScene
        self._parameters = ParameterNode()
        self._reading = False
        events = {
            slicer.vtkMRMLScene.StartSaveEvent: self._beforeSaving,
            slicer.vtkMRMLScene.StartCloseEvent: self._beforeClosing,
            slicer.vtkMRMLScene.EndCloseEvent: self._afterClosing,
            slicer.vtkMRMLScene.EndImportEvent: self.read,
        }
        self._tags = [mrmlScene.AddObserver(event, _call(function)) for event, function in events.items()]
        session = panel.session
        self.read()
        for signal in (session.study_changed, session.case_changed, session.rounds_changed, session.view_changed):
            signal.connect(self.write)
        for fold in panel.folds.values():
            fold.connect("contentsCollapsed(bool)", lambda collapsed: self.write())

    def cleanup(self) -> None:
        """Follow the scene no longer."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []

    def write(self) -> None:
        """Put everything into the node of the scene; nothing while it is being closed or read."""
        if self._reading or self._scene.IsBatchProcessing():
            return
        session = self._panel.session
        # A study that cannot be reached now, such as on a disk that is not there, is not forgotten.
        if session.folder is not None or not self._parameters.lostFolder():
            self._parameters.setStudyFolder(session.folder)
            self._parameters.set(SHOWN_CASE, session.case_id or "")
            self._parameters.set(ROUND, session.chosen_round or "")
        folded = [name for name, fold in self._panel.folds.items() if fold.collapsed]
        self._parameters.set(_FOLDED, json.dumps(folded))
        views = {name: section.viewSettings() for name, section in self._panel.sections.items()}
        self._parameters.set(_VIEWS, json.dumps(views))

    def read(self) -> None:
        """Open what the scene remembers; a scene that remembers nothing changes nothing."""
        # Opening notifies all listeners, also this object, which then would write what is not yet restored.
        self._reading = True
        try:
            folder = self._panel.session.folder
            if folder is None or self._parameters.studyFolder() != folder:
                self._openStudy()
            else:
                self._showCase()
            self._restoreViews()
        finally:
            self._reading = False
        self._panel.session.state_changed.emit()
        self.write()

    def _openStudy(self) -> None:
        session, dialogs = self._panel.session, self._panel.services.dialogs
        folder, lost = self._parameters.studyFolder(), self._parameters.lostFolder()
        if lost:
            advice = _("Open the study where it is now.")
            dialogs.showError(UserError(_("The study of this scene is not in {folder}.").format(folder=lost), advice))
        if folder is None:
            return
        reason = availability(session.facts(), Action.OPEN_STUDY)
        if reason:
            dialogs.inform(_("The study of this scene was not opened. {reason}").format(reason=reason))
            return
        try:
            session.open_study(folder, self._parameters.get(SHOWN_CASE) or None)
            session.choose_round(self._parameters.get(ROUND) or None)
        except UserError as error:
            dialogs.showError(error)

    def _showCase(self) -> None:
        """Show in the open study what the scene has shown, if nothing is shown now."""
        session, case = self._panel.session, self._parameters.get(SHOWN_CASE)
        if session.case_id is None and case:
            try:
                session.choose_round(self._parameters.get(ROUND) or None)
                session.show(case)
            except UserError as error:
                self._panel.services.dialogs.showError(error)

    def _restoreViews(self) -> None:
        folded = _loads(self._parameters.get(_FOLDED), list)
        if folded is not None:
            for name, fold in self._panel.folds.items():
                fold.setProperty("collapsed", name in folded)
        views = _loads(self._parameters.get(_VIEWS), dict) or {}
        for name, section in self._panel.sections.items():
            if isinstance(views.get(name), dict):
                section.restoreView({key: str(value) for key, value in views[name].items()})

    def _beforeSaving(self) -> None:
        self._panel.scene.rememberInScene()
        self.write()

    def _beforeClosing(self) -> None:
        # The editor releases its nodes before they are deleted.
        self._panel.session.show(None)

    def _afterClosing(self) -> None:
        self._panel.scene.clear()
        self._panel.session.state_changed.emit()
        # The study is not part of the scene: it stays open, and the empty scene may be saved with it.
        self.write()


def _call(function: Callable[[], None]) -> Callable[[slicer.vtkMRMLScene, str], None]:
    return lambda caller, event: function()


def _loads(text: str, kind: type[Content]) -> Content | None:
    """Return the parsed text of a scene, None when it is not of the expected form."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, kind) else None

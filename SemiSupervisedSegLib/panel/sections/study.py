"""The section Study: open or make a study, its site, its kind of images and its structures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ...study.errors import UserError
from ...study.layout import STUDY_FILE, StudyFolder
from ...study.model import Modality, Structure, Study
from ...study.structures import add_structures, replace_structures
from ..logic.state import Action
from ..scene.segments import connectSelector, structuresFromSegmentation
from .buttons import applyAvailability, setEnabledWithReason
from .section import PanelContext, Section
from .structures import Change, StructuresTable

if TYPE_CHECKING:
    import qt

_MODALITIES = ((Modality.MR, "MR"), (Modality.CT, "CT"))


class StudySection(Section):
    """Without an open study the form describes the one to be made; with one, every change is kept at once.

    Args:
        widget: Root of Study.ui.
        context: What the panel works with.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(widget, context)
        self._draft: tuple[Structure, ...] = ()
        for modality, words in _MODALITIES:
            self.ui.modalityBox.addItem(words, modality.value)
        self.structures = StructuresTable(self.ui, self._dialogs, self.changeStructures)
        connectSelector(self.ui.segmentationSelector)
        self._connect()
        self._session.study_changed.connect(self._showStudy)
        self._session.state_changed.connect(self.refresh)
        self._showStudy()
        self.refresh()

    def cleanup(self) -> None:
        """Disconnect from the scene."""
        self.ui.segmentationSelector.setMRMLScene(None)

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        facts = self._session.facts()
        isOpen = facts.study is not None
        for widget in (self.ui.createButton, self.ui.createHint):
            widget.setVisible(not isOpen)
        self.ui.closeButton.setVisible(isOpen)
        applyAvailability(self.ui.openButton, Action.OPEN_STUDY, facts, _("Open the folder of a study"))
        applyAvailability(self.ui.closeButton, Action.CLOSE_STUDY, facts, _("Close the study; nothing is lost"))
        if applyAvailability(self.ui.createButton, Action.CREATE_STUDY, facts):
            setEnabledWithReason(self.ui.createButton, self._missing(), _("Choose an empty folder for the study"))
        editable = [self.ui.nameEdit, self.ui.siteEdit, self.ui.modalityBox]
        for widget in editable:
            if isOpen:
                applyAvailability(widget, Action.EDIT_STRUCTURES, facts)
            else:
                setEnabledWithReason(widget, "")
        self.structures.refresh(facts)
        self._refreshTake()

    def changeStructures(self, change: Change) -> None:
        """Apply a change to the structures of the open study, or of the one to be made; the user is told why not."""
        self._try(lambda: self._changeDraft(change) if self._session.study is None else self._changeOpen(change))
        self.structures.show(self._structures())
        self.refresh()

    def _connect(self) -> None:
        ui = self.ui
        ui.openButton.connect("clicked()", self._open)
        ui.createButton.connect("clicked()", self._create)
        ui.closeButton.connect("clicked()", self._session.close_study)
        ui.takeButton.connect("clicked()", self._takeStructures)
        ui.nameEdit.connect("editingFinished()", lambda: self._edit("name", ui.nameEdit.text.strip()))
        ui.siteEdit.connect("editingFinished()", lambda: self._edit("local_site", ui.siteEdit.text.strip()))
        ui.modalityBox.connect("activated(int)", self._editModality)
        for edit in (ui.nameEdit, ui.siteEdit):
            edit.connect("textChanged(QString)", lambda text: self._refreshCreate())
        ui.segmentationSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._refreshTake())

    def _changeDraft(self, change: Change) -> None:
        self._draft = change(self._draft)

    def _changeOpen(self, change: Change) -> None:
        changed = change(self._session.study.structures)
        partly = sum(1 for case in self._session.study.cases if case.annotation and case.structures is None)
        if len(changed) > len(self._session.study.structures) and partly:
            question = _(
                "Cases annotated without the new structure: {count}. They stay as they are and count as annotated "
                "for the other structures only, which few methods can use, until you annotate them again."
            ).format(count=partly)
            if not self._dialogs.confirm(question):
                return
        self._session.edit_study(lambda study: replace_structures(study, change(study.structures)))

    def _structures(self) -> tuple[Structure, ...]:
        return self._draft if self._session.study is None else self._session.study.structures

    def _showStudy(self) -> None:
        study, ui = self._session.study, self.ui
        if study is not None:
            self._draft = ()
            ui.modalityBox.setCurrentIndex(ui.modalityBox.findData(study.modality.value))
        ui.folderEdit.setText("" if study is None else str(study.folder))
        ui.folderEdit.setToolTip(ui.folderEdit.text)
        ui.folderEdit.setCursorPosition(len(ui.folderEdit.text))
        ui.nameEdit.setText("" if study is None else study.name)
        ui.siteEdit.setText("" if study is None else study.local_site)
        self.structures.show(self._structures())

    def _open(self) -> None:
        folder = self._dialogs.chooseFolder(_("Folder of the study"))
        if folder and not StudyFolder(folder).exists():
            advice = _("Choose the folder that has the file {name}, or create a study.").format(name=STUDY_FILE)
            self._dialogs.showError(UserError(_("There is no study in {folder}.").format(folder=folder), advice))
        elif folder:
            self._try(lambda: self._session.open_study(folder))

    def _create(self) -> None:
        folder = self._dialogs.chooseFolder(_("Folder for the new study"))
        if folder:
            ui = self.ui
            name, site, modality = ui.nameEdit.text.strip(), ui.siteEdit.text.strip(), ui.modalityBox.currentData
            self._try(lambda: self._session.create_study(folder, name, modality, site, self._draft))

    def _takeStructures(self) -> None:
        taken = structuresFromSegmentation(self.ui.segmentationSelector.currentNode())
        if not taken:
            self._dialogs.showError(UserError(_("This segmentation has no segments."), _("Choose another one.")))
            return
        self.changeStructures(lambda structures: add_structures(structures, taken))

    def _edit(self, field: str, value: str) -> None:
        study = self._session.study
        if study is not None and getattr(study, field) != value:
            self._try(lambda: self._session.edit_study(lambda current: _with(current, field, value)))
            self._showStudy()

    def _editModality(self, index: int) -> None:
        study, modality = self._session.study, Modality(self.ui.modalityBox.itemData(index))
        if study is not None and study.modality is not modality:
            self._try(lambda: self._session.edit_study(lambda current: _with(current, "modality", modality)))
            self._showStudy()

    def _missing(self) -> str:
        if not self.ui.nameEdit.text.strip():
            return _("Give the study a name first.")
        if not self.ui.siteEdit.text.strip():
            return _("Name your own site first, for example your hospital.")
        return "" if self._draft else _("Add at least one structure first.")

    def _refreshCreate(self) -> None:
        if self._session.study is None:
            self.refresh()

    def _refreshTake(self) -> None:
        reason = "" if self.structures.editable else self.ui.addStructureButton.toolTip
        if not reason and self.ui.segmentationSelector.currentNode() is None:
            reason = _("Choose a segmentation of the scene first.")
        hint = _("Add the names and colours of the segments that are not in the table yet")
        setEnabledWithReason(self.ui.takeButton, reason, hint)


def _with(study: Study, field: str, value: str | Modality) -> Study:
    return dataclasses.replace(study, **{field: value})

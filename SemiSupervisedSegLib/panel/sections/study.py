"""The section Study: open or make a study, its site, its kind of images and its structures."""

from __future__ import annotations

import dataclasses
import glob
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ...study.errors import UserError
from ...study.layout import STUDY_FILE, StudyFolder
from ...study.model import Modality, Structure, Study
from ...study.names import default_id, rename_site
from ...study.structures import add_structures, replace_structures
from ..logic.state import Action
from ..logic.wording import plain_tooltip
from ..recent_studies import recent_studies, remember_study
from ..sample_study import SampleStudy
from ..scene.segments import connectSelector, structuresFromSegmentation
from .buttons import applyAvailability, setEnabledWithReason
from .section import PanelContext, Section
from .structures import Change, StructuresTable

if TYPE_CHECKING:
    import qt
    import slicer

_MODALITIES = ((Modality.MR, "MR"), (Modality.CT, "CT"))


class StudySection(Section):
    """Without an open study the form describes the one to be made; with one, every change is saved at once.

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
        self._sample: SampleStudy | None = None
        self._connect()
        self._session.study_changed.connect(self._showStudy)
        self._session.state_changed.connect(self.refresh)
        self._showStudy()
        self.refresh()

    def cleanup(self) -> None:
        """Disconnect from the scene, and stop what is going on."""
        if self._sample is not None:
            self._sample.cancel()
        self.ui.segmentationSelector.setMRMLScene(None)

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        facts = self._session.facts()
        isOpen = facts.study is not None
        for widget in (self.ui.createButton, self.ui.createHint):
            widget.setVisible(not isOpen)
        self.ui.closeButton.setVisible(isOpen)
        self.ui.recentBox.setVisible(not isOpen and self.ui.recentBox.count > 1)
        self.ui.sampleButton.setVisible(not isOpen)
        busy = "" if self._sample is None else _("The sample study is being made.")
        setEnabledWithReason(self.ui.sampleButton, busy, _("Synthetic scans of three hospitals, to try everything"))
        applyAvailability(self.ui.recentBox, Action.OPEN_STUDY, facts, _("Open a study again"))
        applyAvailability(self.ui.openButton, Action.OPEN_STUDY, facts, _("Open the folder of a study"))
        applyAvailability(self.ui.closeButton, Action.CLOSE_STUDY, facts, _("Close the study; nothing is lost"))
        if applyAvailability(self.ui.createButton, Action.CREATE_STUDY, facts):
            setEnabledWithReason(self.ui.createButton, self._missing(), _("Choose a folder for the study"))
        editable = [self.ui.nameEdit, self.ui.siteEdit, self.ui.modalityBox]
        for widget in editable:
            if isOpen:
                applyAvailability(widget, Action.EDIT_STRUCTURES, facts)
            else:
                setEnabledWithReason(widget, "")
        self.structures.refresh(facts)
        self._refreshTake()

    def changeStructures(self, change: Change) -> None:
        """Apply a change to the structures of the open study, or of the one to be made; a message says why not."""
        self._try(lambda: self._changeDraft(change) if self._session.study is None else self._changeOpen(change))
        self.structures.show(self._structures())
        self.refresh()

    def _connect(self) -> None:
        ui = self.ui
        ui.openButton.connect("clicked()", self._open)
        ui.recentBox.connect("activated(int)", self._openRecent)
        ui.sampleButton.connect("clicked()", self._loadSample)
        ui.createButton.connect("clicked()", self._create)
        ui.closeButton.connect("clicked()", self._session.close_study)
        ui.takeButton.connect("clicked()", self._takeStructures)
        ui.nameEdit.connect("editingFinished()", lambda: self._edit("name", ui.nameEdit.text.strip()))
        ui.siteEdit.connect("editingFinished()", self._editSite)
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
            remember_study(self._context.services.settings, study.folder)
            self._draft = ()
            ui.modalityBox.setCurrentIndex(ui.modalityBox.findData(study.modality.value))
        ui.folderEdit.setText("" if study is None else str(study.folder))
        ui.folderEdit.setToolTip(plain_tooltip(ui.folderEdit.text))
        ui.folderEdit.setCursorPosition(len(ui.folderEdit.text))
        ui.nameEdit.setText("" if study is None else study.name)
        ui.siteEdit.setText("" if study is None else study.local_site)
        self.structures.show(self._structures())
        self._fillRecent()

    def _fillRecent(self) -> None:
        box = self.ui.recentBox
        box.clear()
        box.addItem(_("Recent studies…"), "")
        for folder in recent_studies(self._context.services.settings):
            box.addItem(f"{folder.name} ({folder.parent})", str(folder))

    def _openRecent(self, index: int) -> None:
        folder = self.ui.recentBox.itemData(index)
        if folder:
            self._try(lambda: self._session.open_study(folder))
        self._fillRecent()

    def _loadSample(self) -> None:
        self._sample = SampleStudy(self._context.services, self._showSample, self._sampleLoaded, self._sampleFailed)
        self.refresh()

    def _showSample(self, done: int, total: int) -> None:
        self.ui.sampleButton.setText(_("Making the images: {done} of {total}").format(done=done, total=total))

    def _sampleLoaded(self, _volumes: list[slicer.vtkMRMLScalarVolumeNode]) -> None:
        self._sample = None
        self.ui.sampleButton.setText(_("Load the sample study"))
        self.refresh()

    def _sampleFailed(self, error: UserError) -> None:
        self._sampleLoaded([])
        self._showError(error)

    def _open(self) -> None:
        folder = self._dialogs.chooseFolder(_("Folder of the study"))
        if folder and not StudyFolder(folder).exists():
            advice = _("Choose the folder that has the file {name}, or create a study.").format(name=STUDY_FILE)
            self._dialogs.showError(UserError(_("There is no study in {folder}.").format(folder=folder), advice))
        elif folder:
            self._try(lambda: self._session.open_study(folder))

    def _create(self) -> None:
        ui = self.ui
        name, site, modality = ui.nameEdit.text.strip(), ui.siteEdit.text.strip(), ui.modalityBox.currentData
        folder = self._emptyFolder(self._dialogs.chooseFolder(_("Folder for the new study")), name)
        if folder:
            self._try(lambda: self._session.create_study(folder, name, modality, site, self._draft))

    def _emptyFolder(self, chosen: str | None, name: str) -> Path | None:
        """Return the chosen folder, or a new one in it when it has other files and the user agrees."""
        # An unreadable folder has nothing to ask about; making the study says that it cannot be used.
        if not chosen or not glob.glob("*", root_dir=chosen, include_hidden=True):
            return Path(chosen) if chosen else None
        folder = Path(chosen) / default_id(f"{name}.study")
        question = _("{chosen} is not empty. Make the study in a new folder {name} in it?")
        return folder if self._dialogs.confirm(question.format(chosen=chosen, name=folder.name)) else None

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

    def _editSite(self) -> None:
        """Rename the local site in all of its cases, or make another site of the study the local one."""
        study, name = self._session.study, self.ui.siteEdit.text.strip()
        if study is None or name == study.local_site:
            return
        if any(case.site == name for case in study.cases):
            self._edit("local_site", name)
            return
        self._try(lambda: self._session.edit_study(lambda current: rename_site(current, current.local_site, name)))
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
        hint = _("Add the names and colors of the segments that are not in the table yet")
        setEnabledWithReason(self.ui.takeButton, reason, hint)


def _with(study: Study, field: str, value: str | Modality) -> Study:
    return dataclasses.replace(study, **{field: value})

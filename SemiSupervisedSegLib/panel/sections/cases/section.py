"""The section Cases: the table, what can be done with its rows, adding images and annotating."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ....study.cases import assign_cases, change_cases, remove_cases
from ....study.model import Role, Study
from ....study.names import rename_case
from ...logic.case_rows import CaseFiles, look_at_files
from ...logic.state import Action, Facts
from ...logic.wording import counted
from ...scene.dicom_files import dicomDatabase
from ...time_slices import TimeSlicedTask
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, Section
from .adder import CaseAdder
from .annotation_editor import AnnotationEditor
from .menu import CaseMenu
from .model import NAME, ROLE_WORDS, SITE, CasesModel
from .table import CaseTable


class CasesSection(Section):
    """Shows the cases of the study and changes them.

    Args:
        widget: Root of Cases.ui.
        context: What the panel works with.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(widget, context)
        session = self._session
        self._folder: Path | None = None
        self._files: dict[str, CaseFiles] = {}
        self._looking: TimeSlicedTask | None = None
        self.model = CasesModel()
        self.model.edited.connect(self._write)
        self.menu = CaseMenu(self.ui, self, lambda: _sites(session.study))
        self.table = CaseTable(self.ui, self.model, self.menu, self._select, self._show)
        self.adder = CaseAdder(self.ui, context)
        self.annotationEditor = AnnotationEditor(self.ui, context)
        self._fillRoles()
        self._connect()
        session.study_changed.connect(self._showStudy)
        session.rounds_changed.connect(self.lookAgain)
        session.case_changed.connect(lambda: self.table.mark(session.case_id))
        session.state_changed.connect(self.refresh)
        self._showStudy()
        self.refresh()

    def enter(self) -> None:
        """Refresh when the panel is shown: files may have changed meanwhile."""
        self.lookAgain()
        self.refresh()

    def cleanup(self) -> None:
        """Stop what is going on."""
        self.adder.cancel()
        self._stopLooking()

    def panelResized(self, height: int) -> None:
        """Let the table grow with the panel."""
        self.table.fitHeight(height)

    def assign(self, *, role: Role | None = None, site: str | None = None) -> None:
        """Give the selected cases a role or a site."""
        self._assign(self.table.selected(), role=role, site=site)

    def rename(self) -> None:
        """Let the user write another name for the selected case."""
        self.table.write(NAME)

    def writeSite(self) -> None:
        """Let the user write another site for the selected cases."""
        self.table.write(SITE)

    def upcomingCases(self) -> list[str]:
        """Return the selected case: to show or annotate one, its row is clicked first."""
        return [case for case in self.table.selected()[:1] if case != self._session.case_id]

    def viewSettings(self) -> dict[str, str]:
        """Return the state of the table for a saved scene: the filter."""
        return {"filter": self.ui.filterEdit.text, "role": self.ui.roleFilterBox.currentData}

    def restoreView(self, settings: Mapping[str, str]) -> None:
        """Filter as a saved scene remembers it."""
        self.ui.filterEdit.setText(str(settings.get("filter", "")))
        self.ui.roleFilterBox.setCurrentIndex(max(0, self.ui.roleFilterBox.findData(settings.get("role", ""))))

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui, facts = self.ui, self._session.facts()
        hints = {
            ui.addVolumesButton: _("Copy images of the scene into the study, with your segmentations of them"),
            ui.addFilesButton: _(
                "Add image files where they lie; liver1.seg.nrrd beside liver1.nrrd is its annotation"
            ),
            ui.addFolderButton: _("Add all images of a folder and its subfolders where they lie, or a DICOM series"),
            ui.addDatabaseButton: _("Choose series of Slicer's DICOM database by patient"),
        }
        for button, hint in hints.items():
            if applyAvailability(button, Action.ADD_CASES, facts, hint) and self.adder.busy:
                setEnabledWithReason(button, _("Images are being added. Wait, or cancel it."))
        if ui.addDatabaseButton.enabled and dicomDatabase() is None:
            reason = _("This Slicer has no open DICOM database. Open the module DICOM once, or add a folder.")
            setEnabledWithReason(ui.addDatabaseButton, reason)
        for widget in (ui.roleBox, ui.setRoleButton, ui.siteBox, ui.setSiteButton):
            applyAvailability(widget, Action.CHANGE_CASES, facts, _("For all selected rows"))
        applyAvailability(ui.removeButton, Action.REMOVE_CASES, facts, _("Take the selected rows out of the study"))
        self._refreshOne(ui.showButton, Action.SHOW_CASE, facts, _("Show the selected image in the views"))
        self._refreshOne(ui.annotateButton, Action.ANNOTATE, facts, _("Draw or correct its structures"))
        if facts.editing and self.annotationEditor.caseId is None:
            setEnabledWithReason(ui.annotateButton, _("Save or discard the correction under Review first."))
        hint = _("Use a segmentation or label map file as annotation; the file stays where it is")
        self._refreshOne(ui.annotationFileButton, Action.ANNOTATE, facts, hint)
        self._count()

    def lookAgain(self) -> None:
        """Check the files of the cases in the background, then show the result."""
        self._stopLooking()
        study = self._session.study
        if study is not None:
            work = self._look(study)
            self._looking = TimeSlicedTask(work, self._seen, self._dialogs.showError)

    def _connect(self) -> None:
        ui = self.ui
        ui.filterEdit.connect("textChanged(QString)", lambda text: self._session.view_changed.emit())
        ui.roleFilterBox.connect("currentIndexChanged(int)", lambda index: self._session.view_changed.emit())
        ui.setRoleButton.connect("clicked()", lambda: self.assign(role=Role(ui.roleBox.currentData)))
        ui.setSiteButton.connect("clicked()", lambda: self.assign(site=ui.siteBox.currentText.strip()))
        ui.annotationFileButton.connect("clicked()", self._chooseAnnotation)
        ui.removeButton.connect("clicked()", self._remove)
        ui.showButton.connect("clicked()", lambda: self._show(self.table.selected()[0]))
        ui.annotateButton.connect("clicked()", lambda: self.annotationEditor.start(self.table.selected()[0]))

    def _fillRoles(self) -> None:
        self.ui.roleFilterBox.addItem(_("All roles"), "")
        for role, words in ROLE_WORDS.items():
            for box in (self.ui.roleFilterBox, self.ui.roleBox):
                box.addItem(role.value, role.value)
                box.setItemData(box.count - 1, words, qt.Qt.ToolTipRole)

    def _refreshOne(self, button: qt.QPushButton, action: Action, facts: Facts, hint: str) -> None:
        if applyAvailability(button, action, facts, hint) and facts.selected_cases != 1:
            setEnabledWithReason(button, _("Select exactly one row of the table first."))

    def _showStudy(self) -> None:
        study = self._session.study
        ids = {case.id for case in study.cases} if study is not None else set()
        self._files = {caseId: files for caseId, files in self._files.items() if caseId in ids}
        self.model.setCases(study, self._files)
        if self._folder != self._session.folder:
            # Not at every change: what lies below would move away under the mouse.
            self.ui.addedLabel.setVisible(False)
        self._fillSites(study)
        self.lookAgain()

    def _fillSites(self, study: Study | None) -> None:
        sites = _sites(study)
        isOther = self._folder != self._session.folder
        self._folder = self._session.folder
        for box in (self.ui.addSiteBox, self.ui.siteBox):
            # What was typed is for the study it was typed for.
            text = "" if isOther else box.currentText
            box.clear()
            box.addItems(sites)
            box.setEditText(text or ("" if study is None else study.local_site))

    def _look(self, study: Study) -> Generator[int, None, dict[str, CaseFiles]]:
        seen = {}
        for caseId, files in look_at_files(study, self._session.round):
            seen[caseId] = files
            yield len(seen)
        return seen

    def _seen(self, files: dict[str, CaseFiles]) -> None:
        self._looking = None
        if files != self._files:
            self._files = files
            self.model.setCases(self._session.study, files)

    def _stopLooking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _select(self, count: int) -> None:
        self._session.set_facts(selected_cases=count)
        self._session.upcoming_changed.emit()

    def _count(self) -> None:
        shown, total, selected = self.model.rowCount(), self.model.total(), len(self.table.selected())
        all_shown = counted(total, _("1 case"), _("{count} cases"))
        words = all_shown if shown == total else _("{shown} of {total} cases")
        words += _(", {selected} selected") if selected else ""
        self.ui.countLabel.setText(words.format(shown=shown, total=total, selected=selected))

    def _show(self, caseId: str) -> None:
        if caseId != self._session.case_id and not self._context.editing.mayLeave():
            return
        self._try(lambda: self._session.show(caseId))

    def _write(self, caseId: str, column: int, text: str) -> None:
        """Do what the user wrote into a cell; a site is written for all selected rows, as with the menu."""
        if column == NAME:
            self._try(lambda: self._session.edit_study(lambda study: rename_case(study, caseId, text)))
        elif text:
            chosen = self.table.selected()
            self._assign(chosen if caseId in chosen else [caseId], site=text)

    def _assign(self, caseIds: Sequence[str], **values: Role | str | None) -> None:
        self._try(lambda: self._session.edit_study(lambda study: assign_cases(study, caseIds, **values)))

    def _chooseAnnotation(self) -> None:
        caseId = self.table.selected()[0]
        files = self._dialogs.chooseFiles(
            _("Annotation of {case}").format(case=self._session.study.title_of(caseId)),
            _("Segmentations") + " (*.nrrd *.nii *.nii.gz *.mha *.mhd)",
        )
        if files:
            self._try(lambda: self._session.edit_study(lambda study: _annotated(study, caseId, files[0])))

    def _remove(self) -> None:
        chosen = self.table.selected()
        question = _(
            "Take the selected cases ({count}) out of the study? Their images and annotations stay as files; rounds "
            "stay as they are."
        )
        if self._dialogs.confirm(question.format(count=len(chosen))):
            self._try(lambda: self._session.edit_study(lambda study: remove_cases(study, chosen)))


def _sites(study: Study | None) -> list[str]:
    return [] if study is None else sorted({study.local_site, *(case.site for case in study.cases)})


def _annotated(study: Study, caseId: str, file: str) -> Study:
    """Return the study in which a case has the annotation of a file, after a check of the file."""
    role = Role.VALIDATION if study.case(caseId).role is Role.VALIDATION else Role.LABELED
    names = [structure.name for structure in study.structures]
    return change_cases(study, [caseId], annotation=file, role=role, structures=names)

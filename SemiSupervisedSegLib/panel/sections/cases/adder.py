"""Adding images to the study, in the section Cases: from the scene, files, a folder or the DICOM database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from ....study.errors import UserError
from ....study.image_files import IMAGE_SUFFIXES
from ...logic.wording import counted
from ...scene.dicom_files import dicomDatabase
from ...scene.volumes import nameOf, sceneVolumes
from ...time_slices import TimeSlicedTask
from ..section import PanelContext, SectionPart, Widgets
from .image_import import ImageImport, Progress, Work

_NAMED = 5


class CaseAdder(SectionPart):
    """Finds images, checks them one by one, and adds all or none of them.

    Args:
        ui: Widgets of Cases.ui.
        context: What the panel works with.
    """

    def __init__(self, ui: Widgets, context: PanelContext) -> None:
        super().__init__(ui, context)
        self._task: TimeSlicedTask | None = None
        self._import: ImageImport | None = None
        self._folder: Path | None = None
        ui.progressRow.setVisible(False)
        ui.addVolumesButton.connect("clicked()", self._addVolumes)
        ui.addFilesButton.connect("clicked()", self._addFiles)
        ui.addFolderButton.connect("clicked()", self._addFolder)
        ui.addDatabaseButton.connect("clicked()", self._addFromDatabase)
        ui.cancelButton.connect("clicked()", self.cancel)
        self._session.study_changed.connect(self._leaveStudy)

    @property
    def busy(self) -> bool:
        """Whether images are being added."""
        return self._task is not None

    def cancel(self) -> None:
        """Stop adding; the study stays as it was."""
        if self._task is not None:
            self._task.cancel()
            self._import.undo()
            self._end(_("Nothing was added."))

    def _addVolumes(self) -> None:
        volumes = sceneVolumes()
        if not volumes:
            self._showError(UserError(_("There are no images in the scene."), _("Load them first, or add files.")))
            return
        names = [nameOf(volume) for volume in volumes]
        chosen = self._dialogs.chooseItems(_("Add images of the scene"), _("Images to copy into the study:"), names)
        if chosen:
            self._start(lambda images: images.fromVolumes([volumes[index] for index in chosen]))

    def _addFiles(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
        files = self._dialogs.chooseFiles(_("Add images"), f"{_('Images')} ({patterns});;{_('All files')} (*)")
        if files:
            self._start(lambda images: images.fromFiles([Path(file) for file in files]))

    def _addFolder(self) -> None:
        folder = self._dialogs.chooseFolder(_("Add all images of a folder, or a DICOM series"))
        if folder:
            self._start(lambda images: images.fromFolder(Path(folder)))

    def _addFromDatabase(self) -> None:
        database = dicomDatabase()
        self._start(lambda images: images.fromDatabase(database, self._chooseSeries))

    def _chooseSeries(self, labels: list[str]) -> list[int]:
        if not labels:
            advice = _("Import scans in the DICOM module first, or add a folder.")
            raise UserError(_("There are no series in Slicer's DICOM database."), advice)
        title = _("Add series of the DICOM database")
        return self._dialogs.chooseItems(title, _("Patient, series and date:"), labels, preselected=False)

    def _useAsAnnotations(self, names: list[str]) -> bool:
        question = _(
            "These files look like annotations of other images ({count}): {names}. Use them as annotations? Otherwise "
            "they are left out."
        )
        return self._dialogs.confirm(question.format(count=len(names), names=_shortened(names)))

    def _leaveOut(self, names: list[str]) -> bool:
        question = _(
            "The annotations have structures that the study does not have ({count}): {names}. Leave them out? They "
            "count as background then, in copies in the study; the files stay as they are. Otherwise nothing is added."
        )
        return self._dialogs.confirm(question.format(count=len(names), names=_shortened(names)))

    def _start(self, work: Callable[[ImageImport], Work]) -> None:
        site = self.ui.addSiteBox.currentText.strip() or self._session.study.local_site
        self._import = ImageImport(self._session, site, self._useAsAnnotations, self._leaveOut)
        self._folder = self._session.folder
        self.ui.progressBar.setRange(0, 0)
        self.ui.progressRow.setVisible(True)
        self._task = TimeSlicedTask(work(self._import), self._done, self._failed, self._show)
        self._session.state_changed.emit()

    def _leaveStudy(self) -> None:
        if self._session.folder != self._folder:
            self.cancel()

    def _show(self, progress: Progress) -> None:
        what, done, total = progress
        self.ui.progressBar.setRange(0, total)
        self.ui.progressBar.setValue(done)
        self.ui.progressBar.setFormat(what + (" %v / %m" if total else ""))

    def _done(self, counts: tuple[int, int]) -> None:
        added, annotated = counts
        images = counted(added, _("1 image added"), _("{count} images added"))
        words = _("{images}, {annotated} of them annotated.") if added else _("There was nothing new to add.")
        self._end(words.format(images=images, annotated=annotated))

    def _failed(self, error: UserError) -> None:
        self._import.undo()
        self._end(_("Nothing was added."))
        self._dialogs.showError(error)

    def _end(self, words: str) -> None:
        self._task = None
        self.ui.progressRow.setVisible(False)
        self.ui.addedLabel.setText(words)
        self.ui.addedLabel.setVisible(True)
        self._session.state_changed.emit()


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")

"""The section Export: segmentations, the trained model and the report leave the study; a model is applied to images."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ....jobs.folder import JobFolder
from ....jobs.results import prediction_sources
from ....jobs.rounds import find_round
from ....study import dicom_seg
from ....study.errors import UserError, all_failures
from ....study.exporting import (
    FORMATS,
    Source,
    annotation_sources,
    chosen_sources,
    describe_export,
    export_cases,
    with_terminology,
)
from ...logic.exporting import copy_model, copy_report, zip_model
from ...logic.round_names import round_title
from ...logic.state import Action, Facts, availability
from ...scene.dicom_files import comesFromDicom, findSlices
from ...time_slices import TimeSlicedTask
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, Section
from .apply_model import ModelApplication

_ANNOTATIONS = ""
_ALL, _SHOWN, _CHOOSE = "all", "shown", "choose"


class ExportSection(Section):
    """Everything that leaves the study.

    Args:
        widget: Root of Export.ui.
        context: What the panel works with.

    Attributes:
        reviewWanted: The results of an applied model are ready for review.
        openUrl: Function that shows a document with the system's default program.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(widget, context)
        session = self._session
        self.openUrl = qt.QDesktopServices.openUrl
        self._export: TimeSlicedTask | None = None
        self._lookForDicom: TimeSlicedTask | None = None
        self._fromDicom: dict[Path, bool] = {}
        self._noDicom = dicom_seg.missing_package()
        self.modelApplication = ModelApplication(self.ui, context, self.say)
        self.reviewWanted = self.modelApplication.done
        self._fillChoices()
        self._connect()
        session.study_changed.connect(self._showStudy)
        session.rounds_changed.connect(self._showRounds)
        session.state_changed.connect(self.refresh)
        self.ui.exportProgressRow.setVisible(False)
        self._showRounds()
        self._showStudy()
        self.refresh()

    def cleanup(self) -> None:
        """Stop what is going on."""
        self.modelApplication.cleanup()
        for work in (self._export, self._lookForDicom):
            if work is not None:
                work.cancel()

    def say(self, text: str) -> None:
        """Show a message below everything."""
        self.ui.exportMessage.setText(text)

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        facts, ui = self._session.facts(), self.ui
        for box in (ui.whatBox, ui.whichBox, ui.formatBox):
            setEnabledWithReason(box, availability(facts, Action.EXPORT_CASES))
        hint = _("Write one file for each image; nothing is replaced")
        if applyAvailability(ui.exportButton, Action.EXPORT_CASES, facts, hint):
            setEnabledWithReason(ui.exportButton, self._whyNoExport(facts), hint)
        self._refreshRound(facts)
        self.modelApplication.refresh(facts)

    def _fillChoices(self) -> None:
        ui = self.ui
        ui.whichBox.addItem(_("All"), _ALL)
        ui.whichBox.addItem(_("The shown image"), _SHOWN)
        ui.whichBox.addItem(_("Choose from a list…"), _CHOOSE)
        words = (
            _("Segmentation (.seg.nrrd)"),
            _("NIfTI labelmap (.nii.gz)"),
            _("NRRD labelmap (.nrrd)"),
            _("DICOM SEG (.dcm)"),
        )
        for text, suffix in zip(words, FORMATS, strict=True):
            ui.formatBox.addItem(text, suffix)
        ui.formatBox.setToolTip(_("Labelmaps come with a color table that names the structures"))

    def _connect(self) -> None:
        ui = self.ui
        ui.exportButton.connect("clicked()", lambda: self._try(self._exportCases))
        ui.cancelExportButton.connect("clicked()", self._cancel)
        ui.modelFolderButton.connect("clicked()", lambda: self._try(self._copyModel))
        ui.modelZipButton.connect("clicked()", lambda: self._try(self._zipModel))
        ui.openReportButton.connect("clicked()", lambda: self._try(self._openReport))
        ui.copyReportButton.connect("clicked()", lambda: self._try(self._copyReport))
        for box in (ui.whatBox, ui.whichBox, ui.formatBox, ui.exportRoundBox):
            box.connect("currentIndexChanged(int)", lambda index: self.refresh())

    def _showStudy(self) -> None:
        """Find out in the background whether an image of the study came from DICOM, unless that is known."""
        if self._lookForDicom is not None:
            self._lookForDicom.cancel()
            self._lookForDicom = None
        missing, study = dicom_seg.missing_package(), self._session.study
        images = [] if study is None else [study.image_path(case) for case in study.cases]
        anyFromDicom = any(self._fromDicom.get(image) for image in images)
        self._setNoDicom(missing or ("" if anyFromDicom else _("None of the images came from DICOM.")))
        unknown = [image for image in images if image not in self._fromDicom]
        if unknown and not anyFromDicom and not missing:
            self._lookForDicom = TimeSlicedTask(self._look(unknown), self._sawDicom, self._dialogs.showError)

    def _look(self, images: list[Path]) -> Generator[int, None, bool]:
        for number, image in enumerate(images):
            self._fromDicom[image] = comesFromDicom(image)
            if self._fromDicom[image]:
                return True
            yield number
        return False

    def _sawDicom(self, found: bool) -> None:
        self._lookForDicom = None
        if found:
            self._setNoDicom("")
            self.refresh()

    def _setNoDicom(self, reason: str) -> None:
        box = self.ui.formatBox
        row = box.findData(dicom_seg.SUFFIX)
        self._noDicom = reason
        box.model().item(row).setEnabled(not reason)
        box.setItemData(row, reason, qt.Qt.ToolTipRole)

    def _showRounds(self) -> None:
        rounds = list(reversed(self._session.rounds()))
        predicted = [folder for folder in rounds if folder.predictions.is_dir()]
        what = [(_("Annotations and accepted results"), _ANNOTATIONS)]
        what += [(_("Results of {name}").format(name=round_title(folder.name)), folder.name) for folder in predicted]
        _fill(self.ui.whatBox, what)
        trained = [folder for folder in rounds if folder.model.is_dir()]
        _fill(self.ui.exportRoundBox, [(folder.name, folder.name) for folder in trained])
        self.modelApplication.showModels()

    def _refreshRound(self, facts: Facts) -> None:
        ui = self.ui
        folder = self._chosenRound()
        noRound = "" if folder is not None else _("No round has trained a model yet.")
        noReport = "" if folder is None or folder.report.is_file() else _("This round has no report.")
        for button, action, hint in (
            (ui.exportRoundBox, Action.EXPORT_MODEL, _("The round whose model and report are meant")),
            (ui.modelFolderButton, Action.EXPORT_MODEL, _("A MONAI bundle that works without this study")),
            (ui.modelZipButton, Action.EXPORT_MODEL, _("The same as one file")),
            (ui.openReportButton, Action.OPEN_REPORT, _("Scores, curves and pictures, shown in the browser")),
            (ui.copyReportButton, Action.OPEN_REPORT, _("One file with all pictures")),
        ):
            reason = noRound or (noReport if action is Action.OPEN_REPORT else "")
            setEnabledWithReason(button, availability(facts, action) or reason, hint)

    def _whyNoExport(self, facts: Facts) -> str:
        if self._export is not None:
            return _("Images are being exported. Wait, or cancel it.")
        if self.ui.whichBox.currentData == _SHOWN and facts.case_id is None:
            return _("Show a case first, or choose other images.")
        return self._noDicom if self.ui.formatBox.currentData == dicom_seg.SUFFIX else ""

    def _chosenRound(self) -> JobFolder | None:
        name = self.ui.exportRoundBox.currentData
        return next((folder for folder in self._session.rounds() if folder.name == name), None)

    def _sources(self) -> list[Source]:
        study, name = self._session.study, self.ui.whatBox.currentData
        if name == _ANNOTATIONS:
            return annotation_sources(study)
        return with_terminology(prediction_sources(find_round(study.folder, name)), study.structures)

    def _chosenSources(self) -> list[Source]:
        sources, which = self._sources(), self.ui.whichBox.currentData
        if which == _SHOWN:
            return chosen_sources(sources, [self._session.case_id])
        everything = chosen_sources(sources, [])
        if which == _ALL:
            return everything
        titles = [self._session.study.title_of(source.case_id) for source in everything]
        rows = self._dialogs.chooseItems(_("Export"), _("Images to export"), titles)
        return [everything[row] for row in rows]

    def _exportCases(self) -> None:
        sources = self._chosenSources()
        folder = self._dialogs.chooseFolder(_("Folder for the exported files")) if sources else None
        if not folder:
            return
        suffix = self.ui.formatBox.currentData
        work = _inSteps(export_cases(sources, Path(folder), suffix, findSlices), len(sources))
        self.ui.exportProgressBar.setRange(0, len(sources))
        self.ui.exportProgressBar.setValue(0)
        self.ui.exportProgressRow.setVisible(True)
        self.say("")
        self._export = TimeSlicedTask(work, self._exported, self._failed, self._showProgress)
        self.refresh()

    def _showProgress(self, progress: tuple[int, int]) -> None:
        self.ui.exportProgressBar.setValue(progress[0])

    def _exported(self, results: list[Path | UserError]) -> None:
        files = [result for result in results if isinstance(result, Path)]
        failures = [result for result in results if isinstance(result, UserError)]
        left_out = str(all_failures(failures)) if failures else ""
        self._endExport(f"{describe_export(results, files[0].parent)}\n{left_out}".strip() if files else "")
        if not files:
            self._dialogs.showError(all_failures(failures))

    def _failed(self, error: UserError) -> None:
        self._endExport("")
        self._dialogs.showError(error)

    def _cancel(self) -> None:
        if self._export is not None:
            self._export.cancel()
            self._endExport(_("Cancelled; what was exported so far stays."))

    def _endExport(self, text: str) -> None:
        self._export = None
        self.ui.exportProgressRow.setVisible(False)
        self.say(text)
        self.refresh()

    def _copyModel(self) -> None:
        place, folder = self._dialogs.chooseFolder(_("Folder that gets the model")), self._chosenRound()
        if place:
            target = Path(place) / f"{folder.name}-model"
            copy_model(folder, target)
            self.say(_("Copied the model to {target}.").format(target=target))

    def _zipModel(self) -> None:
        chosen, folder = self._dialogs.chooseSaveFile(_("Model as .zip"), "Archive (*.zip)"), self._chosenRound()
        if chosen:
            target = _withSuffix(chosen, ".zip")
            zip_model(folder, target)
            self.say(_("Wrote the model to {target}.").format(target=target))

    def _openReport(self) -> None:
        report = self._chosenRound().report
        if not report.is_file() or not self.openUrl(qt.QUrl.fromLocalFile(str(report))):
            raise UserError(_("The report could not be opened."), _("Open it by hand: {path}").format(path=report))

    def _copyReport(self) -> None:
        chosen, folder = self._dialogs.chooseSaveFile(_("Copy of the report"), "Web page (*.html)"), self._chosenRound()
        if chosen:
            target = _withSuffix(chosen, ".html")
            copy_report(folder, target)
            self.say(_("Copied the report to {target}.").format(target=target))


def _inSteps(
    results: Iterator[Path | UserError], total: int
) -> Generator[tuple[int, int], None, list[Path | UserError]]:
    """Collect results, and give (done, total) after each."""
    done: list[Path | UserError] = []
    for result in results:
        done.append(result)
        yield len(done), total
    return done


def _fill(box: qt.QComboBox, items: list[tuple[str, str]]) -> None:
    """Give a box other items and keep what was chosen; choose the first when it is new, as a round that has ended."""
    chosen = box.currentData if items and box.itemData(0) == items[0][1] else None
    box.blockSignals(True)
    box.clear()
    for text, value in items:
        box.addItem(text, value)
    box.setCurrentIndex(max(box.findData(chosen), 0) if items else -1)
    box.blockSignals(False)


def _withSuffix(chosen: str, suffix: str) -> Path:
    return Path(chosen if chosen.lower().endswith(suffix) else chosen + suffix)

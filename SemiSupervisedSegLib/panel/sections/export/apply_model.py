"""A trained model applied to images, in the section Export."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ....jobs.job_specs import new_prediction_round
from ....jobs.model_folder import chosen_model
from ....jobs.outcome import Outcome
from ....study.cases import stored_path
from ....study.errors import UserError
from ...logic.model_application import cases_to_apply_to
from ...logic.new_cases import check_new_cases, with_new_cases
from ...logic.round_names import round_title
from ...logic.state import Action, Facts
from ...logic.wording import counted
from ...signal import Signal
from ...time_slices import TimeSlicedTask
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, SectionPart, Widgets

if TYPE_CHECKING:
    import qt

_IMAGES = "Images (*.nrrd *.nhdr *.nii *.nii.gz *.mha *.mhd *.hdr);;All files (*)"


class ModelApplication(SectionPart):
    """Chooses a model and images, and lets the runner segment them as a separate round.

    Args:
        ui: Widgets of Export.ui.
        context: What the panel works with.
        say: Shows a message to the user.

    Attributes:
        done: The results are there and under review.
    """

    def __init__(self, ui: Widgets, context: PanelContext, say: Callable[[str], None]) -> None:
        super().__init__(ui, context)
        self._runner, self._say = context.runner, say
        self.done = Signal()
        self._others: list[Path] = []
        self._checking: TimeSlicedTask | None = None
        ui.chooseModelButton.connect("clicked()", self._chooseModel)
        ui.applyCasesButton.connect("clicked()", self._applyToCases)
        ui.applyFilesButton.connect("clicked()", self._applyToFiles)
        self._runner.ended.connect(self._ended)

    def cleanup(self) -> None:
        """Follow nothing any more."""
        self._runner.ended.disconnect(self._ended)
        if self._checking is not None:
            self._checking.cancel()

    def refresh(self, facts: Facts) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui = self.ui
        applyAvailability(ui.applyModelBox, Action.APPLY_MODEL, facts, _("The trained model that segments"))
        applyAvailability(ui.chooseModelButton, Action.APPLY_MODEL, facts, _("Choose the folder of another model"))
        hints = {
            ui.applyCasesButton: _("Segment images that are in the study already"),
            ui.applyFilesButton: _("Add image files to the study, where training leaves them out, and segment them"),
        }
        for button, hint in hints.items():
            if applyAvailability(button, Action.APPLY_MODEL, facts, hint):
                setEnabledWithReason(button, self._whyNot(facts, button), hint)

    def showModels(self) -> None:
        """List the models of the rounds, the latest first, and those that were chosen by their folder.

        A new round is chosen, else what was chosen before.
        """
        box = self.ui.applyModelBox
        chosen, latest = box.currentData, box.itemData(0)
        box.clear()
        for folder in reversed(self._session.rounds()):
            if folder.model.is_dir():
                box.addItem(folder.name, str(folder.model))
        for path in self._others:
            box.addItem(str(path), str(path))
        index = max(box.findData(chosen), 0) if box.itemData(0) == latest else 0
        box.setCurrentIndex(index if box.count else -1)

    def _whyNot(self, facts: Facts, button: qt.QPushButton) -> str:
        if self._checking is not None:
            return _("Images are being checked.")
        if self.ui.applyModelBox.currentIndex < 0:
            return _("Choose a model first.")
        if button is self.ui.applyCasesButton and not facts.study.cases:
            return _("The study has no images yet.")
        return ""

    def _chooseModel(self) -> None:
        chosen = self._dialogs.chooseFolder(_("Folder of a trained model"))
        if chosen:
            self._try(lambda: self._offer(chosen_model(Path(chosen))))

    def _offer(self, path: Path) -> None:
        if path not in self._others:
            self._others.append(path)
        self.showModels()
        self.ui.applyModelBox.setCurrentIndex(self.ui.applyModelBox.findData(str(path)))
        self.refresh(self._session.facts())

    def _applyToCases(self) -> None:
        ids = [case.id for case in self._session.study.cases]
        titles = [case.title for case in self._session.study.cases]
        rows = self._dialogs.chooseItems(_("Apply a trained model"), _("Images to segment"), titles)
        if rows:
            self._try(lambda: self._start([ids[row] for row in rows]))

    def _applyToFiles(self) -> None:
        files = [Path(file) for file in self._dialogs.chooseFiles(_("Images to segment"), _IMAGES)]
        if not files:
            return
        study = self._session.study
        site = self._dialogs.askText(
            _("Apply a trained model"), _("Hospital or scanner that the images come from"), study.local_site
        )
        if site:
            self._checking = TimeSlicedTask(self._add(files, site), self._added, self._failed, self._showProgress)
            self.refresh(self._session.facts())

    def _add(self, files: Sequence[Path], site: str) -> Generator[tuple[int, int], None, list[str]]:
        """Check the images, add those that are new, and return the ids of all."""
        cases = cases_to_apply_to(self._session.study, files, site)
        for done in check_new_cases(self._session.study, cases):
            yield done, len(cases)
        if cases:
            self._session.edit_study(lambda study: with_new_cases(study, cases))
        study = self._session.study
        paths = {stored_path(study, file) for file in files}
        yield len(cases), len(cases)
        return [case.id for case in study.cases if case.image in paths]

    def _added(self, ids: list[str]) -> None:
        self._checking = None
        self._try(lambda: self._start(ids))
        self.refresh(self._session.facts())

    def _failed(self, error: UserError) -> None:
        self._checking = None
        self._dialogs.showError(error)
        self.refresh(self._session.facts())

    def _showProgress(self, progress: tuple[int, int]) -> None:
        self._say(_("Checking image {done} of {total}").format(done=progress[0], total=progress[1]))

    def _start(self, ids: Sequence[str]) -> None:
        self._session.check_in_place()
        folder = new_prediction_round(self._session.study, ids, Path(self.ui.applyModelBox.currentData))
        try:
            self._runner.start(folder)
        except UserError:
            # No worker has started on it.
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        images = counted(len(ids), _("Segmenting 1 image."), _("Segmenting {count} images."))
        self._say(f"{images} {_('Progress is shown under Train.')}")
        self._session.refresh_rounds()

    def _ended(self, outcome: Outcome) -> None:
        folder = self._runner.folder
        # It may have been resumed, or was started by a panel before this one; its study may be closed by now.
        if folder.head().kind != "predict" or all(item.path != folder.path for item in self._session.rounds()):
            return
        if outcome.kind != "finished":
            stopped = _("Stopped before all images were segmented.")
            self._say(f"{outcome.message} {outcome.advice}".strip() or stopped)
            return
        self._try(lambda: self._session.choose_round(folder.name))
        self._say(_("The images are segmented: see {name} under Review.").format(name=round_title(folder.name)))
        self.done.emit()

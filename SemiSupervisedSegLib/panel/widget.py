"""The whole panel: its header, its sections, and what the scene does to them."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer

from ..jobs.comparison import Comparison
from ..jobs.folder import JobFolder
from ..study.errors import UserError
from .logic.guidance import section_of
from .run.read_ahead import ReadAhead
from .run.runner import Runner
from .scene.case_scene import CaseScene
from .scene.moved_study import MovedStudy
from .scene.scene_state import SceneState
from .sections.cases.section import CasesSection
from .sections.disk import DiskSection
from .sections.editing import EditingPane
from .sections.export.section import ExportSection
from .sections.header import Header
from .sections.review.section import ReviewSection
from .sections.section import PanelContext, Section, namedWidgets
from .sections.study import StudySection
from .sections.tables import OnResize
from .sections.train.section import TrainSection
from .services import Services
from .session import Session
from .slicer_services import defaultServices

# In the order of the work.
_SECTIONS: dict[str, type[Section]] = {
    "Study": StudySection,
    "Cases": CasesSection,
    "Train": TrainSection,
    "Review": ReviewSection,
    "Export": ExportSection,
    "Disk": DiskSection,
}
# The panel can be narrow, so the width belongs to the content.
_MARGIN = 4
# Until the views have drawn an image.
_UNTIL_DRAWN_MS = 300


class Panel:
    """Builds everything and connects it with the scene.

    Args:
        uiFolder: Folder of the .ui files.
        mrmlScene: The scene.
        services: The world outside, None for that of Slicer.

    Attributes:
        widget: Root of the panel, for the layout of the module.
        readAhead: Reads files of the cases that are shown next.
        editing: The Segment Editor.
        sections: Sections by name.
        folds: Their root widgets by name.
    """

    def __init__(self, uiFolder: Path | str, mrmlScene: slicer.vtkMRMLScene, services: Services | None = None) -> None:
        self.services = services or defaultServices()
        self.session = Session()
        self._movedStudy = MovedStudy(self.session)
        self.readAhead = ReadAhead(self.services)
        self.scene = CaseScene(self.readAhead)
        self.runner = Runner(self.services)
        self._uiFolder = Path(uiFolder)
        self.widget = self._load("SemiSupervisedSeg")
        self.ui = namedWidgets(self.widget)
        self.header = Header(self.ui, self.session, self.scene)
        self.editing = EditingPane(self.ui)
        self._context = PanelContext(self.session, self.scene, self.services, self.runner, self.editing)
        self.folds: dict[str, qt.QWidget] = {}
        self.sections = {name: self._makeSection(name) for name in _SECTIONS}
        self.ui.sectionsContainer.layout().addStretch(1)
        self._connectSections()
        self._resizing = OnResize(self.ui.scrollArea, self._resized)
        # It changes whenever something is unfolded.
        self.ui.scrollArea.verticalScrollBar().connect("rangeChanged(int,int)", self._keepWidth)
        self.widget.setMRMLScene(mrmlScene)
        self._shown: tuple[object, ...] | None = None
        session = self.session
        # The last is for the end of editing; before the others the sections would look at nodes of the case before.
        for signal in (session.case_changed, session.rounds_changed, session.study_changed, session.state_changed):
            signal.connect(self._showCase)
        session.upcoming_changed.connect(self._expect)
        self._step = ""
        self._followStep()
        session.state_changed.connect(self._followStep)
        self.sceneState = SceneState(self, mrmlScene)

    def enter(self) -> None:
        """Refresh when the module is shown; another program may have changed the study meanwhile."""
        try:
            self.session.reload()
        except UserError as error:
            self.services.dialogs.showError(error)
        for section in self.sections.values():
            section.enter()
        self.editing.enter()

    def exit(self) -> None:
        """Leave the application to the other module that is shown."""
        for section in self.sections.values():
            section.exit()
        self.editing.editor.deactivate()

    def cleanup(self) -> None:
        """Disconnect everything when the module is destroyed: nothing of it may be called any more."""
        self._setReading(False)
        self._scrolling.stop()
        self._preparing.stop()
        self.sceneState.cleanup()
        for section in self.sections.values():
            section.cleanup()
        self.editing.editor.cleanup()
        self.readAhead.cleanup()

    def goTo(self, name: str) -> None:
        """Unfold a section and bring it into view."""
        self._goal = name
        self.folds[name].setProperty("collapsed", False)
        # Where it lies is known when Qt has made room for what was unfolded.
        self._scrolling.start(0)

    def _followStep(self) -> None:
        """Unfold the section of the present step when another step begins, and fold that of the step before."""
        step, before = section_of(self.session.state), self._step
        if step == before or self.session.facts().editing:
            return
        self._step = step
        if not before:
            for name, fold in self.folds.items():
                fold.setProperty("collapsed", name != step)
            return
        # Cases stay open and in view: roles and sites are to be set, and more images to be annotated.
        if before == "Cases":
            self.folds[step].setProperty("collapsed", False)
            return
        # The result of a comparison is the table in Train, not a round to review.
        if before == "Train" and isinstance(self.runner.folder, Comparison):
            return
        self.folds[before].setProperty("collapsed", True)
        self.goTo(step)

    def _connectSections(self) -> None:
        """Connect the sections with each other."""
        self._goal = ""
        self._preparing = qt.QTimer()
        self._preparing.setSingleShot(True)
        self._preparing.connect("timeout()", self.editing.editor.prepare)
        self._scrolling = qt.QTimer()
        self._scrolling.setSingleShot(True)
        self._scrolling.connect("timeout()", self._scroll)
        self.sections["Review"].trainWanted.connect(self._setUpNextRound)
        self.sections["Export"].reviewWanted.connect(self._reviewNewResults)

    def _reviewNewResults(self) -> None:
        self.sections["Review"].showFirstResult()
        self.goTo("Review")

    def _setUpNextRound(self) -> None:
        self.sections["Train"].offerNextRound()
        self.goTo("Train")

    def _scroll(self) -> None:
        # Not ensureWidgetVisible, which shows the middle of a section that is higher than the panel.
        self.ui.scrollArea.verticalScrollBar().setValue(self.folds[self._goal].y)

    def _keepWidth(self, *_range: int) -> None:
        """Keep the panel as wide as what it shows: a scroll area would rather cut it off."""
        needed = self.ui.sectionsContainer.layout().minimumSize().width()
        self.ui.scrollArea.setMinimumWidth(needed + self.ui.scrollArea.verticalScrollBar().width)

    def _resized(self) -> None:
        for section in self.sections.values():
            section.panelResized(self.ui.scrollArea.height)

    def _load(self, name: str) -> qt.QWidget:
        return slicer.util.loadUI(str(self._uiFolder / f"{name}.ui"))

    def _makeSection(self, name: str) -> Section:
        widget = self._load(name)
        self.folds[name] = widget
        widget.layout().setContentsMargins(_MARGIN, _MARGIN, _MARGIN, 2 * _MARGIN)
        self.ui.sectionsContainer.layout().addWidget(widget)
        return _SECTIONS[name](widget, self._context)

    def _showCase(self) -> None:
        study, caseId = self.session.study, self.session.case_id
        case = None if study is None or caseId is None else study.case(caseId)
        now = None
        if case is not None:
            now = (study.folder, case.id, case.annotation, _nameOf(self.session.round), case.title, study.structures)
        # A volume that was deleted in another module comes back when its case is shown again.
        if (now == self._shown and self.scene.isComplete) or self.scene.isClosing:
            return
        # What is being edited stays as it is until that is done.
        isSame = now is not None and self._shown is not None and now[:2] == self._shown[:2]
        if isSame and self.session.facts().editing:
            return
        self._shown = now
        if case is None:
            self.readAhead.prepare([], self._showRead)
            self.scene.clear()
            self._setReading(False)
        elif self.readAhead.prepare(self.scene.unread(study, case, self.session.round), self._showRead):
            # While another round of the same image is read its place stays in view.
            if not isSame:
                self.scene.leave()
            self._setReading(True)
        else:
            self._showRead()

    def _showRead(self) -> None:
        """Show the case of the session, all of which is read unless it is small."""
        study = self.session.study
        try:
            self.scene.showCase(study, study.case(self.session.case_id), self.session.round)
        except UserError as error:
            self.services.dialogs.showError(error)
        self._setReading(False)
        self._preparing.start(_UNTIL_DRAWN_MS)
        self._expect()

    def _setReading(self, isReading: bool) -> None:
        if isReading != self.session.facts().reading:
            if isReading:
                qt.QApplication.setOverrideCursor(qt.Qt.BusyCursor)
            else:
                qt.QApplication.restoreOverrideCursor()
            self.session.set_facts(reading=isReading)

    def _expect(self) -> None:
        """Read ahead what will probably be shown next."""
        study = self.session.study
        if study is not None:
            # A list may still show a study that was open before.
            cases = {case.id: case for case in study.cases}
            ids = dict.fromkeys(case for section in self.sections.values() for case in section.upcomingCases())
            self.scene.expect(study, [cases[case] for case in ids if case in cases], self.session.round)


def _nameOf(folder: JobFolder | None) -> str:
    return "" if folder is None else folder.name

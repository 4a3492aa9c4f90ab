"""The shown case of a study in the scene: its image, its annotation and what was predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import slicer

from ...jobs.folder import JobFolder
from ...study.errors import UserError
from ...study.model import Case, Study
from ..logic.case_files import CaseFiles, DirectFiles, FileRequest
from . import views
from .annotations import exportSegmentation
from .case_display import CaseDisplay
from .case_loading import CaseLoader, attempt, fingerprintOfSource, predictionFiles, raiseFirst, requestsOf, unread
from .changes import Changes, hide
from .corrections import copyPrediction, correctedVolume
from .foreign import hideForeign, showForeign
from .hierarchy import removeEmptyFolders, removeNode
from .segments import addStructures, followStructures
from .styles import STYLES, applyStyle
from .tags import (
    ANNOTATION,
    DISAGREEMENT,
    HEATMAPS,
    PREDICTIONS,
    SEGMENTATIONS,
    VOLUME,
    CaseNodes,
    caseOf,
    isCurrent,
    nodesOf,
    setSource,
    studyOf,
    taggedNodes,
)


class CaseScene:
    """Shows one case at a time.

    Its nodes are found in the scene by their attributes, also after the scene was saved and opened again. What the user
    changed is never removed: a changed annotation waits hidden until its case is shown again.

    Args:
        files: Reads the files of cases, None to read each when it is needed.
    """

    def __init__(self, files: CaseFiles | None = None) -> None:
        self._reader = files or DirectFiles()
        self._shown: tuple[Study, Case] | None = None
        self._changes = Changes(lambda node: fingerprintOfSource(node, self._shown and self._shown[0], self._reader))
        self._display = CaseDisplay()
        self._files: dict[str, Path] = {}

    @property
    def isClosing(self) -> bool:
        """Whether Slicer is closing the scene."""
        return bool(slicer.mrmlScene.IsClosing())

    @property
    def isComplete(self) -> bool:
        """Whether the image of the shown case is in the scene; True when no case is shown."""
        return self._shown is None or self.nodes.volume is not None

    @property
    def nodes(self) -> CaseNodes | None:
        """The nodes of the shown case as they are in the scene now, None when no case is shown."""
        if self._shown is None:
            return None
        study, case = self._shown
        return nodesOf(study.folder, case.id)

    def showCase(self, study: Study, case: Case, folder: JobFolder | None = None) -> CaseNodes:
        """Show a case with its annotation and what a round predicted for it, in place of the case shown before.

        Everything that can be read is shown before UserError is raised for what cannot.
        """
        spares = self._leaveOthers(study, case)
        isNew = self._shown is None or self._shown[1].id != case.id or self._shown[0].folder != study.folder
        self._shown = (study, case)
        loader = self._loader(spares)
        self._files = predictionFiles(folder, case)
        predictions = [lambda kind=kind: loader.prediction(kind, self._wanted(kind)) for kind in PREDICTIONS]
        isReused = VOLUME in spares
        errors = attempt([loader.volume, loader.annotation, *predictions])
        for node in spares.values():
            removeNode(node)
        for node in filter(None, (getattr(self.nodes, kind) for kind in SEGMENTATIONS)):
            followStructures(node, study.structures)
        with views.movedOnce():
            if isNew:
                hideForeign(self.nodes.volume)
                self._display.showImage(self.nodes, isOther=isReused)
                errors += attempt([self.goToWorstPlace])
        self._arrange()
        removeEmptyFolders(case.id)
        raiseFirst(errors)
        return self.nodes

    def unread(self, study: Study, case: Case, folder: JobFolder | None) -> list[FileRequest]:
        """Return the files that have to be read to show a case, as far as that takes time."""
        return unread(requestsOf(study, case, folder, self._display.fileOf), study, case, self._changes)

    def leave(self) -> None:
        """Take the shown case out of the views until the next one is read; its nodes are used again then."""
        for node in taggedNodes():
            hide(node)
        self._shown, self._display.isEditing = None, False

    def expect(self, study: Study, cases: Sequence[Case], folder: JobFolder | None) -> None:
        """Read the files of cases ahead that will probably be shown next, the most probable first."""
        requests = (requestsOf(study, case, folder, self._display.fileOf) for case in cases)
        self._reader.expect([request for ofCase in requests for request in ofCase.values()])

    def refreshPredictions(self, files: Mapping[str, Path], step: int) -> None:
        """Show what the worker predicted for the shown case meanwhile, in the nodes that are there.

        `files` are absolute paths by kind; raises UserError when one cannot be read.
        """
        if self._shown is None:
            return
        self._files |= {kind: Path(path) for kind, path in files.items()}
        before = self.nodes
        errors = self._loadPredictions([kind for kind in PREDICTIONS if kind in files], f"step {step}")
        if self.nodes != before:
            self._arrange()
        raiseFirst(errors)

    def setVisible(self, kind: str, visible: bool) -> None:
        """Show or hide "annotation", "final", "prototype" or "in_3d", also for the cases shown later."""
        (self._display.hidden.discard if visible else self._display.hidden.add)(kind)
        self._redisplay(self._display.showSegmentations)

    def hasResults(self) -> bool:
        """Return whether a prediction of the shown case is in the scene."""
        return self._shown is not None and (self.nodes.final is not None or self.nodes.prototype is not None)

    def showResultsWhileEditing(self, shown: bool) -> None:
        """Show the predictions over what is being edited, where they are hidden otherwise: they would cover it."""
        self._display.resultsWhileEditing = shown
        self._redisplay(self._display.showSegmentations)

    def setHeatmap(self, name: str | None, opacity: float) -> None:
        """Show a map over the image, or none.

        Args:
            name: One of HEATMAPS, also PROBABILITY with the class index of a structure, such as "probability-2".
            opacity: Opacity from 0 to 1.

        Raises:
            UserError: The map cannot be read.
        """
        isOther, errors = self._display.chooseHeatmap(name, opacity), []
        if isOther and self._shown is not None:
            errors = self._loadPredictions(HEATMAPS)
            self._arrange()
        self._redisplay(self._display.showHeatmap)
        raiseFirst(errors)

    def hasWorstPlace(self) -> bool:
        """Return whether there is a map of where the predictions of the shown case differ."""
        return self._shown is not None and DISAGREEMENT in self._files

    def goToWorstPlace(self) -> None:
        """Move all slices to where the predictions of the shown case differ most; raises UserError."""
        if self.hasWorstPlace():
            place = self._reader.read(FileRequest("worst_place", str(self._files[DISAGREEMENT]))).place
            if place is not None:
                views.jumpTo(place)

    def setLayout(self, layout: views.Layout) -> None:
        """Show both predictions in the same views, or the prototype-based one left and the final one right."""
        views.applyLayout(layout, None if self._shown is None else self.nodes.volume)
        self._redisplay(self._display.showSides)

    def prepareAnnotation(self, study: Study, case: Case) -> slicer.vtkMRMLSegmentationNode:
        """Show the case and return its segmentation node for the Segment Editor, with a segment per structure.

        An existing annotation, saved or not, is continued. Raises UserError when the case cannot be shown.
        """
        self._ensureShown(study, case)
        node = self.nodes.annotation or self._loader().emptySegmentation(ANNOTATION)
        addStructures(node, study.structures)
        return self._edit(node)

    def prepareCorrection(self, study: Study, case: Case, kind: str) -> slicer.vtkMRMLSegmentationNode:
        """Return a copy of the "final" or "prototype" prediction as the case's annotation, to be corrected.

        The prediction stays as it is. Raises UserError when there is no such prediction, or an annotation has changes
        that are not saved.
        """
        self._ensureShown(study, case)
        node = copyPrediction(self.nodes, kind, self._loader(), self._changes)
        addStructures(node, study.structures)
        return self._edit(node)

    def hasUnsavedAnnotation(self) -> bool:
        """Return whether the annotation of the displayed case has unsaved changes."""
        node = None if self._shown is None else self.nodes.annotation
        return node is not None and self._changes.isChanged(node)

    def unsavedCases(self, study: Study) -> list[str]:
        """Return the ids of all cases of a study whose annotation in the scene has unsaved changes."""
        return sorted(case for folder, case in self._changes.unsaved() if folder == str(study.folder))

    def waitingCases(self) -> list[tuple[str, str]]:
        """Return the study folders and ids of all hidden cases whose annotation has unsaved changes.

        They wait hidden; cases of other studies are among them.
        """
        shown = None if self._shown is None else (str(self._shown[0].folder), self._shown[1].id)
        return sorted(self._changes.unsaved(butOf=shown))

    def endEditing(self) -> None:
        """Display the annotation and the predictions in the style of the review."""
        if self._display.isEditing:
            self._display.isEditing = False
            if self._shown is not None:
                self._arrange()

    def markUnsaved(self, file: Path) -> None:
        """Count the shown annotation as not saved, if it was saved to this file."""
        node = None if self._shown is None else self.nodes.annotation
        if node is not None and isCurrent(node, file):
            self._changes.setUnsaved(node)

    def saveAnnotation(self, study: Study, case: Case, target: Path) -> float | None:
        """Write the case's annotation on the image's grid (`exportSegmentation`) and return its `correctedVolume`."""
        nodes = nodesOf(study.folder, case.id)
        if nodes.annotation is None:
            raise UserError(f"There is no annotation of {case.id} in the scene.", "Annotate the case first.")
        classMap = exportSegmentation(nodes.annotation, study.structures, study.image_path(case), target, nodes.volume)
        setSource(nodes.annotation, Path(target), self._changes.fingerprint(nodes.annotation))
        self._changes.noteRead(nodes.annotation)
        if not self._display.isEditing:
            applyStyle(nodes.annotation, STYLES[ANNOTATION])
        return correctedVolume(nodes, classMap, study.structures)

    def discardAnnotation(self) -> None:
        """Give up the unsaved changes of the shown case's annotation and show the saved one again, if there is one."""
        if self._shown is None:
            return
        if self.nodes.annotation is not None:
            removeNode(self.nodes.annotation)
        self._display.isEditing = False
        errors = attempt([self._loader().annotation])
        self._arrange()
        raiseFirst(errors)

    def clear(self) -> None:
        """Show no case: remove the nodes that are as they were read and hide those the user changed."""
        for node in self._leaveOthers(None, None).values():
            removeNode(node)
        removeEmptyFolders(None)
        showForeign()
        self._shown, self._display.isEditing = None, False

    def rememberInScene(self) -> None:
        """Store in the nodes what they contain: the scene is about to be saved."""
        self._changes.rememberInScene()

    def _leaveOthers(self, study: Study | None, case: Case | None) -> dict[str, slicer.vtkMRMLNode]:
        """Hide what the user changed of other cases, and return a node of each kind that can be used again."""
        displayed = None if study is None else (str(study.folder), case.id)
        nodes = [node for node in taggedNodes() if (studyOf(node), caseOf(node)) != displayed]
        if nodes:
            self._display.isEditing = False
        return self._changes.leave(nodes)

    def _loader(self, spares: dict[str, slicer.vtkMRMLNode] | None = None) -> CaseLoader:
        return CaseLoader(*self._shown, self._changes, self._reader, spares)

    def _loadPredictions(self, kinds: Sequence[str], note: str = "") -> list[UserError]:
        loader = self._loader()
        return attempt([lambda kind=kind: loader.prediction(kind, self._wanted(kind), note) for kind in kinds])

    def _wanted(self, kind: str) -> Path | None:
        return self._display.fileOf(kind, self._files.get(kind))

    def _redisplay(self, show: Callable[[CaseNodes], None]) -> None:
        if self._shown is not None:
            show(self.nodes)

    def _ensureShown(self, study: Study, case: Case) -> None:
        if self._shown is None or self._shown[1].id != case.id or self.nodes.volume is None:
            self.showCase(study, case)

    def _edit(self, node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLSegmentationNode:
        self._display.startEditing()
        self._arrange()
        return node

    def _arrange(self) -> None:
        nodes = self.nodes
        self._display.arrange(
            nodes, self._shown[1].title, nodes.annotation is not None and self._changes.isChanged(nodes.annotation)
        )

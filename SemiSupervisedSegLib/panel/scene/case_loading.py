"""Brings the files of a case into nodes: made, left alone when they are current, or updated in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import slicer

from ...jobs.folder import JobFolder
from ...jobs.results import PREDICTION_FILES
from ...jobs.structure_maps import structure_map
from ...study.errors import UserError
from ...study.model import Case, Study
from ..logic.case_files import CaseFiles, FileContent, FileRequest
from .changes import Changes
from .hierarchy import removeNode, removeStorage
from .modifying import modifiedOnce
from .segments import makeFresh, segmentationFingerprint, setLabels
from .styles import STYLES, applyStyle
from .tags import (
    ANNOTATION,
    DISAGREEMENT,
    FINAL,
    HEATMAPS,
    PREDICTIONS,
    PROBABILITY,
    PROTOTYPE,
    SEGMENTATIONS,
    UNCERTAINTY,
    VOLUME,
    caseOf,
    isCurrent,
    kindOf,
    nodesOf,
    setSource,
    sourceOf,
    studyOf,
    tag,
)
from .volumes import emptyVolume, setVolume, volumeFingerprint

# Not the kind of a node: where the map of differences is highest.
WORST_PLACE = "worst_place"
_SMALL_BYTES = 2 << 20
TITLES = {
    VOLUME: "",
    ANNOTATION: "annotation",
    FINAL: "final prediction",
    PROTOTYPE: "prototype-based prediction",
    PROBABILITY: "probability",
    UNCERTAINTY: "uncertainty",
    DISAGREEMENT: "disagreement",
}


def predictionFiles(folder: JobFolder | None, case: Case) -> dict[str, Path]:
    """Return the existing predictions of a round for a case, else those of its last preview, by kind."""
    if folder is None:
        return {}
    places = [parent / case.id for parent in (folder.predictions, folder.previews)]
    place = next((place for place in places if place.is_dir()), places[0])
    files = {kind: place / PREDICTION_FILES[kind] for kind in PREDICTIONS}
    return {kind: path for kind, path in files.items() if path.is_file()}


def attempt(parts: list[Callable[[], None]]) -> list[UserError]:
    """Execute every part and return what went wrong."""
    errors = []
    for part in parts:
        try:
            part()
        except UserError as error:
            errors.append(error)
    return errors


def raiseFirst(errors: list[UserError]) -> None:
    """Raise the first of some errors, if there are any."""
    if errors:
        raise errors[0]


class CaseLoader:
    """Loads parts of one case; every method raises UserError when its file cannot be read.

    Args:
        study: Study of the case.
        case: Case to load.
        changes: What the user changed.
        files: Reads the files.
        spares: Nodes by kind that showed another case and are used again: to make new ones takes longer. What is used
            is taken out.
    """

    def __init__(
        self,
        study: Study,
        case: Case,
        changes: Changes,
        files: CaseFiles,
        spares: dict[str, slicer.vtkMRMLNode] | None = None,
    ) -> None:
        self._study, self._case, self._changes, self._files = study, case, changes, files
        self._spares = {} if spares is None else spares

    def volume(self) -> None:
        """Make the image's node, or leave the one that shows the file as it is."""
        path = self._study.image_path(self._case)
        node = nodesOf(self._study.folder, self._case.id).volume
        if node is not None and isCurrent(node, path):
            self._name(node, VOLUME)
            return
        content = self._files.read(FileRequest("image", str(path)))
        if node is not None:
            self._changes.removeOrHide(node)
        new = self._spare(VOLUME) or emptyVolume(self._case.title)
        with modifiedOnce(new):
            setVolume(new, content)
            self._finish(new, VOLUME, path)
        nodes = nodesOf(self._study.folder, self._case.id)
        for kind in SEGMENTATIONS:
            segmentation = getattr(nodes, kind)
            if segmentation is not None:
                segmentation.SetReferenceImageGeometryParameterFromVolumeNode(new)

    def annotation(self) -> None:
        """Make or update the annotation's node, unless the user has changes in it that are not saved."""
        path = self._study.annotation_path(self._case)
        node = nodesOf(self._study.folder, self._case.id).annotation
        if node is not None and (self._changes.isChanged(node) or (path is not None and isCurrent(node, path))):
            self._name(node, ANNOTATION)
            return
        if path is None:
            if node is not None:
                removeNode(node)
            return
        content = self._files.read(requestOf(ANNOTATION, path, self._study, self._case))
        self._showLabels(node, ANNOTATION, content, path)

    def prediction(self, kind: str, path: Path | None, note: str = "") -> None:
        """Make, update in place or put away the node of a prediction or heatmap; `note` goes behind its name."""
        node = getattr(nodesOf(self._study.folder, self._case.id), kind)
        note = note or _structureOf(path, self._study)
        if node is not None and path is not None and isCurrent(node, path):
            self._name(node, kind, note)
            return
        if node is not None and (path is None or self._changes.isChanged(node)):
            self._changes.removeOrHide(node)
            node = None
        if path is None:
            return
        content = self._files.read(requestOf(kind, path, self._study, self._case))
        if kind in HEATMAPS:
            node = node or self._spare(kind) or emptyVolume(self._case.title)
            with modifiedOnce(node):
                setVolume(node, content)
                self._finish(node, kind, path, note)
        else:
            node = self._showLabels(node, kind, content, path, note)
            applyStyle(node, STYLES[kind])

    def emptySegmentation(self, kind: str) -> slicer.vtkMRMLSegmentationNode:
        """Return a new segmentation node without segments on the grid of the case's image."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.CreateDefaultDisplayNodes()
        self._refer(node)
        tag(node, self._study, self._case, kind)
        self._name(node, kind)
        setSource(node, None, self._changes.fingerprint(node))
        return node

    def _spare(self, kind: str) -> slicer.vtkMRMLNode | None:
        node = self._spares.pop(kind, None)
        if node is not None:
            # Else Slicer would offer to save this case into the file of the other.
            removeStorage(node)
        return node

    def _showLabels(
        self,
        node: slicer.vtkMRMLSegmentationNode | None,
        kind: str,
        content: FileContent,
        path: Path,
        note: str = "",
    ) -> slicer.vtkMRMLSegmentationNode:
        """Show label values in a node, None for another one than that of the case, and return it."""
        spare = self._spare(kind) if node is None else None
        node = node or spare or self.emptySegmentation(kind)
        with modifiedOnce(node, node.GetDisplayNode()):
            if spare is not None:
                makeFresh(node, self._study.structures)
                self._refer(node)
            setLabels(node, content, self._study.structures)
            self._finish(node, kind, path, note)
        return node

    def _finish(self, node: slicer.vtkMRMLNode, kind: str, path: Path, note: str = "") -> None:
        tag(node, self._study, self._case, kind)
        self._name(node, kind, note)
        setSource(node, path, "")
        self._changes.noteRead(node)

    def _name(self, node: slicer.vtkMRMLNode, kind: str, note: str = "") -> None:
        name = f"{self._case.title} {TITLES[kind]}".strip()
        node.SetName(f"{name} ({note})" if note else name)

    def _refer(self, node: slicer.vtkMRMLNode) -> None:
        volume = nodesOf(self._study.folder, self._case.id).volume
        if volume is not None:
            node.SetReferenceImageGeometryParameterFromVolumeNode(volume)


def _structureOf(path: Path | None, study: Study) -> str:
    """Return the name of the structure whose map a file is, empty for any other file."""
    names = {structure_map(index): structure.name for index, structure in enumerate(study.structures, 1)}
    return "" if path is None else names.get(path.name, "")


def requestOf(kind: str, path: Path, study: Study, case: Case) -> FileRequest:
    """Return how the file of a node of this kind is read, or for WORST_PLACE a map of differences."""
    if kind == WORST_PLACE:
        return FileRequest("worst_place", str(path))
    if kind == VOLUME:
        return FileRequest("image", str(path))
    if kind in HEATMAPS:
        return FileRequest("map" if path.name == PREDICTION_FILES[kind] else "shares", str(path))
    if kind == ANNOTATION:
        return FileRequest("annotation", str(path), study.structures, str(study.image_path(case)))
    return FileRequest("segmentation", str(path), study.structures)


def requestsOf(
    study: Study, case: Case, folder: JobFolder | None, fileOf: Callable[[str, Path], Path | None]
) -> dict[str, FileRequest]:
    """Return all that is read when a case is shown, by kind; `fileOf` is that of `CaseDisplay`."""
    predictions = predictionFiles(folder, case)
    files = {VOLUME: study.image_path(case), ANNOTATION: study.annotation_path(case)}
    files |= {kind: fileOf(kind, path) for kind, path in predictions.items()}
    files[WORST_PLACE] = predictions.get(DISAGREEMENT)
    return {kind: requestOf(kind, path, study, case) for kind, path in files.items() if path is not None}


def unread(requests: Mapping[str, FileRequest], study: Study, case: Case, changes: Changes) -> list[FileRequest]:
    """Return those of the files that have to be read to show a case, because the scene does not have them yet.

    None for an image that is missing, or so small that to read it takes no longer than to ask another process for it.
    """
    image, nodes = study.image_path(case), nodesOf(study.folder, case.id)
    isSmall = image.is_file() and image.stat().st_size < _SMALL_BYTES
    if isSmall or not image.exists():
        return []

    def isThere(kind: str, path: Path) -> bool:
        if kind == WORST_PLACE:
            return nodes.volume is not None
        node = getattr(nodes, kind)
        return node is not None and (isCurrent(node, path) or (kind == ANNOTATION and changes.isChanged(node)))

    return [request for kind, request in requests.items() if not isThere(kind, Path(request.path))]


def fingerprintOfSource(node: slicer.vtkMRMLNode, study: Study | None, files: CaseFiles) -> str:
    """Return the fingerprint of what a node was read from, empty when that is gone or not of the study."""
    if study is None or str(study.folder) != studyOf(node):
        return ""
    path, case = sourceOf(node), next((case for case in study.cases if case.id == caseOf(node)), None)
    if path is None or case is None or not isCurrent(node, path):
        return ""
    kind = kindOf(node)
    try:
        content = files.read(requestOf(kind, path, study, case))
    except UserError:
        return ""
    if kind in SEGMENTATIONS:
        segmentation = slicer.vtkMRMLSegmentationNode()
        setLabels(segmentation, content, study.structures)
        return segmentationFingerprint(segmentation)
    volume = slicer.vtkMRMLScalarVolumeNode()
    setVolume(volume, content)
    return volumeFingerprint(volume)

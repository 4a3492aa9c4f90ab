"""Brings the files of a case into nodes: made, left alone when they are current, or updated in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer

from ...jobs.folder import JobFolder
from ...jobs.results import PREDICTION_FILES
from ...study.errors import UserError
from ...study.images import image_geometry, read_image
from ...study.model import Case, Study
from .annotations import readAnnotation
from .changes import Changes
from .hierarchy import removeNode
from .segments import readClasses, setClasses
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
    isCurrent,
    nodesOf,
    setSource,
    tag,
)
from .volumes import addVolume, setImage

TITLES = {
    VOLUME: "",
    ANNOTATION: "annotation",
    FINAL: "final prediction",
    PROTOTYPE: "prototype-based prediction",
    "probability": "probability",
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


class CaseLoader:
    """Loads parts of one case; every method raises UserError when its file cannot be read."""

    def __init__(self, study: Study, case: Case, changes: Changes) -> None:
        self._study, self._case, self._changes = study, case, changes

    def volume(self) -> None:
        """Make the image's node, or leave the one that shows the file as it is."""
        path = self._study.image_path(self._case)
        node = nodesOf(self._study.folder, self._case.id).volume
        if node is not None and isCurrent(node, path):
            self._name(node, VOLUME)
            return
        new = addVolume(path, self._case.title)
        if node is not None:
            self._changes.removeOrHide(node)
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
        geometry = image_geometry(self._study.image_path(self._case))
        classes, terminology = readAnnotation(path, self._study.structures, geometry)
        node = node or self.emptySegmentation(ANNOTATION)
        setClasses(node, classes, self._study.structures, terminology)
        self._finish(node, ANNOTATION, path)

    def prediction(self, kind: str, path: Path | None, note: str = "") -> None:
        """Make, update in place or put away the node of a prediction or heatmap; `note` goes behind its name."""
        node = getattr(nodesOf(self._study.folder, self._case.id), kind)
        if node is not None and path is not None and isCurrent(node, path):
            self._name(node, kind, note)
            return
        if node is not None and (path is None or self._changes.isChanged(node)):
            self._changes.removeOrHide(node)
            node = None
        if path is None:
            return
        if kind in HEATMAPS:
            node = self._heatmap(node, path)
        else:
            classes = readClasses(path, self._study.structures)
            node = node or self.emptySegmentation(kind)
            setClasses(node, classes, self._study.structures)
            applyStyle(node, STYLES[kind])
        self._finish(node, kind, path, note)

    def emptySegmentation(self, kind: str) -> slicer.vtkMRMLSegmentationNode:
        """Return a new segmentation node without segments on the grid of the case's image."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.CreateDefaultDisplayNodes()
        self._refer(node)
        self._finish(node, kind, None)
        return node

    def _heatmap(self, node: slicer.vtkMRMLScalarVolumeNode | None, path: Path) -> slicer.vtkMRMLScalarVolumeNode:
        if node is None:
            return addVolume(path, self._case.title)
        setImage(node, read_image(path))
        return node

    def _finish(self, node: slicer.vtkMRMLNode, kind: str, path: Path | None, note: str = "") -> None:
        tag(node, self._study, self._case, kind)
        self._name(node, kind, note)
        setSource(node, path, self._changes.fingerprint(node))

    def _name(self, node: slicer.vtkMRMLNode, kind: str, note: str = "") -> None:
        name = f"{self._case.title} {TITLES[kind]}".strip()
        node.SetName(f"{name} ({note})" if note else name)

    def _refer(self, node: slicer.vtkMRMLNode) -> None:
        volume = nodesOf(self._study.folder, self._case.id).volume
        if volume is not None:
            node.SetReferenceImageGeometryParameterFromVolumeNode(volume)

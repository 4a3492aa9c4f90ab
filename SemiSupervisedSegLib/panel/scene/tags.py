"""Attributes that link nodes of the scene to a study, so that a reloaded scene is recognised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import slicer

from ...study.model import Case, Study

VOLUME, ANNOTATION, FINAL, PROTOTYPE = "volume", "annotation", "final", "prototype"
PROBABILITY, UNCERTAINTY, DISAGREEMENT = "probability", "uncertainty", "disagreement"
SEGMENTATIONS = (ANNOTATION, FINAL, PROTOTYPE)
HEATMAPS = (PROBABILITY, UNCERTAINTY, DISAGREEMENT)
PREDICTIONS = (FINAL, PROTOTYPE, *HEATMAPS)
KINDS = (VOLUME, *SEGMENTATIONS, *HEATMAPS)

_PREFIX = "SemiSupervisedSeg."
_STUDY, _CASE, _KIND = _PREFIX + "Study", _PREFIX + "Case", _PREFIX + "Kind"
_SOURCE, _SAVED = _PREFIX + "Source", _PREFIX + "Saved"
_COPY_OF = _PREFIX + "CopyOf"
_OWN = (_STUDY, _CASE, _KIND, _SOURCE, _SAVED, _COPY_OF)


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one case, None for what is not in the scene; `case_id` is the id of the case."""

    case_id: str
    volume: slicer.vtkMRMLScalarVolumeNode | None = None
    annotation: slicer.vtkMRMLSegmentationNode | None = None
    final: slicer.vtkMRMLSegmentationNode | None = None
    prototype: slicer.vtkMRMLSegmentationNode | None = None
    probability: slicer.vtkMRMLScalarVolumeNode | None = None
    uncertainty: slicer.vtkMRMLScalarVolumeNode | None = None
    disagreement: slicer.vtkMRMLScalarVolumeNode | None = None


def tag(node: slicer.vtkMRMLNode, study: Study, case: Case, kind: str) -> None:
    """Write onto a node which case of which study it belongs to, and as what."""
    node.SetAttribute(_STUDY, str(study.folder))
    node.SetAttribute(_CASE, case.id)
    node.SetAttribute(_KIND, kind)
    node.RemoveAttribute(_COPY_OF)


def setCopyOf(node: slicer.vtkMRMLNode, kind: str) -> None:
    """Write onto an annotation of which kind of prediction it is a copy."""
    node.SetAttribute(_COPY_OF, kind)


def copyOf(node: slicer.vtkMRMLNode) -> str | None:
    """Return the kind of prediction that an annotation began as a copy of, None for any other."""
    return node.GetAttribute(_COPY_OF)


def disown(node: slicer.vtkMRMLNode) -> None:
    """Make a node the user's own: it is never touched again."""
    for name in _OWN:
        node.RemoveAttribute(name)


def kindOf(node: slicer.vtkMRMLNode) -> str | None:
    """Return the kind of a node of the panel, None for other nodes."""
    return node.GetAttribute(_KIND)


def caseOf(node: slicer.vtkMRMLNode) -> str | None:
    """Return the id of the case that a node belongs to, None for a node that is not the panel's."""
    return node.GetAttribute(_CASE)


def studyOf(node: slicer.vtkMRMLNode) -> str | None:
    """Return the folder of the study that a node belongs to, None for a node that is not the panel's."""
    return node.GetAttribute(_STUDY)


def setSource(node: slicer.vtkMRMLNode, path: Path | None, saved: str) -> None:
    """Store the file that a node was read from or saved to, and the fingerprint of its content then, if known."""
    node.SetAttribute(_SOURCE, _stamp(path))
    node.SetAttribute(_SAVED, saved)


def moveSource(node: slicer.vtkMRMLNode, before: Path, after: Path) -> None:
    """Follow a folder that was moved: the file that a node was read from or saved to is in the new one now."""
    path, separator, time = (node.GetAttribute(_SOURCE) or "").rpartition("|")
    if separator and Path(path).is_relative_to(before):
        node.SetAttribute(_SOURCE, f"{after / Path(path).relative_to(before)}{separator}{time}")


def isCurrent(node: slicer.vtkMRMLNode, path: Path) -> bool:
    """Return whether a node was read from, or saved to, the file at `path` as it is now."""
    return path.exists() and node.GetAttribute(_SOURCE) == _stamp(path)


def isSourceGone(node: slicer.vtkMRMLNode) -> bool:
    """Return whether the file that a node was read from or saved to no longer exists."""
    path = sourceOf(node)
    return path is not None and not path.exists()


def sourceOf(node: slicer.vtkMRMLNode) -> Path | None:
    """Return the file that a node was read from or saved to, None when there is none."""
    path = (node.GetAttribute(_SOURCE) or "").rpartition("|")[0]
    return Path(path) if path else None


def savedFingerprint(node: slicer.vtkMRMLNode) -> str:
    """Return the fingerprint of a node's content when it was last read or saved, empty when it is not known."""
    return node.GetAttribute(_SAVED) or ""


def setSavedFingerprint(node: slicer.vtkMRMLNode, saved: str) -> None:
    """Store the fingerprint of a node's content when it was last read or saved."""
    node.SetAttribute(_SAVED, saved)


def taggedNodes() -> list[slicer.vtkMRMLNode]:
    """Return all nodes of the scene that the panel made."""
    nodes = [
        node
        for className in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode")
        for node in slicer.util.getNodesByClass(className)
    ]
    return [node for node in nodes if kindOf(node) in KINDS]


def nodesOf(folder: Path | str, caseId: str) -> CaseNodes:
    """Return the nodes of a case of the study in `folder` that are in the scene."""
    nodes = {
        kindOf(node): node
        for node in taggedNodes()
        if node.GetAttribute(_STUDY) == str(folder) and caseOf(node) == caseId
    }
    return CaseNodes(caseId, **nodes)


def _stamp(path: Path | None) -> str:
    # Names alone do not show that the worker has replaced a file meanwhile.
    return "" if path is None else f"{path}|{path.stat().st_mtime_ns}"

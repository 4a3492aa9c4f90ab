"""What a scene remembers of the panel: the study, the shown case, and how things are shown."""

from __future__ import annotations

import os
from pathlib import Path

import slicer

from ...study.layout import StudyFolder

MODULE = "SemiSupervisedSeg"
SHOWN_CASE, ROUND = "ShownCase", "Round"
_FOLDER, _RELATIVE = "StudyFolder", "StudyFolderFromScene"


class ParameterNode:
    """Names and texts in a node of the scene that is saved with it.

    The study folder is stored twice: as it is, and as seen from the file of the scene, so that a scene and a study
    that are moved together find each other again.
    """

    @property
    def node(self) -> slicer.vtkMRMLScriptedModuleNode:
        """The node, made when the scene has none."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(MODULE)
            node.SetModuleName(MODULE)
            node.SetName(MODULE)
            node = scene.AddNode(node)
        return node

    def get(self, name: str, default: str = "") -> str:
        """Return the stored value, `default` when there is none."""
        node = self.node
        return node.GetParameter(name) if node.HasParameter(name) else default

    def set(self, name: str, value: str) -> None:
        """Keep a text; setting what is there already does not mark the scene as changed."""
        if self.get(name) != value:
            self.node.SetParameter(name, value)

    def studyFolder(self) -> Path | None:
        """Return the study folder: relative to the scene's file, else absolute; None when it no longer exists."""
        candidates = [Path(self.get(_FOLDER))] if self.get(_FOLDER) else []
        place = _scenePlace()
        if place is not None and self.get(_RELATIVE):
            candidates.insert(0, Path(os.path.normpath(place / self.get(_RELATIVE))))
        return next((folder for folder in candidates if StudyFolder(folder).exists()), None)

    def setStudyFolder(self, folder: Path | None) -> None:
        """Keep the folder of the study, None for no study."""
        self.set(_FOLDER, "" if folder is None else folder.as_posix())
        self.set(_RELATIVE, _fromScene(folder))

    def lostFolder(self) -> str:
        """Return the study folder of the scene if it no longer exists, else empty."""
        return self.get(_FOLDER) if self.studyFolder() is None else ""


def _scenePlace() -> Path | None:
    """Return the folder of the scene's file, None for a scene that was never saved."""
    url = slicer.mrmlScene.GetURL()
    return Path(url).absolute().parent if url else None


def _fromScene(folder: Path | None) -> str:
    place = _scenePlace()
    if folder is None or place is None:
        return ""
    try:
        return Path(os.path.relpath(folder, place)).as_posix()
    except ValueError:
        # Two drives of Windows have no way from one to the other.
        return ""

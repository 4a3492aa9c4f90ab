"""Looks after every action of a random user whether everything is still there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import qt
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.panel.scene.segments import segmentationFingerprint
from SemiSupervisedSegLib.panel.scene.tags import ANNOTATION, caseOf, kindOf, nodesOf, studyOf, taggedNodes
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.files import TEMPORARY_PREFIX
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.store import load_study

from .random_user import RandomUser


class Witness:
    """Looks whether everything is still there and says what it should.

    Args:
        user: whose panel, studies and drawings are looked at.
    """

    def __init__(self, user: RandomUser) -> None:
        self._user = user
        # By the study's name and the path in its folder.
        self._files: dict[tuple[str, str], str] = {}

    def look(self) -> None:
        """Look at everything."""
        self.lookAtFiles()
        self._lookAtPanel()

    def lookAtFiles(self) -> None:
        """Look at what is on the disk, and at the drawings."""
        for name, folder in self._user.studies.items():
            self._lookAtAnnotations(name, folder)
        self._lookAtDrawings()
        for folder in self._user.left:
            assert not Path(folder).exists(), f"something was made in {folder}, which the study has left"

    def lookAfterClosing(self) -> None:
        """Look whether nothing but drawings is left of a study that was closed; one that was moved is waited for."""
        waiting = self._user.panel.scene.waitingCases()
        for node in taggedNodes():
            if studyOf(node) in self._user.left:
                continue
            assert kindOf(node) == ANNOTATION, f"{node.GetName()} is left"
            assert (studyOf(node), caseOf(node)) in waiting, f"{node.GetName()} is left"
        assert not slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")

    def _lookAtAnnotations(self, name: str, folder: Path) -> None:
        """What was the annotation of a case once stays as it was, and no other file is beside it."""
        study = load_study(folder)
        for case in study.cases:
            if case.annotation is not None:
                path = study.annotation_path(case)
                assert path.is_file(), f"the annotation of {case.id} is gone"
                if path.is_relative_to(folder):
                    self._files.setdefault((name, path.relative_to(folder).as_posix()), _digest(path))
        files = {path: digest for (of, path), digest in self._files.items() if of == name}
        for path, digest in files.items():
            assert (folder / path).is_file(), f"{path} is gone"
            assert _digest(folder / path) == digest, f"{path} is another"
        there = {path.relative_to(folder).as_posix() for path in (folder / "annotations").glob("*")}
        assert there <= set(files), f"nothing knows {there - set(files)}"
        assert not list(folder.glob(f"{TEMPORARY_PREFIX}*"))

    def _lookAtDrawings(self) -> None:
        """What was drawn is in the scene until it is saved or given up, also when its study was moved."""
        for (folder, caseId), (fingerprint, made) in tuple(self._user.drawn.items()):
            now = self._user.studies[self._user.left[folder]] if folder in self._user.left else Path(folder)
            nodes = [nodesOf(place, caseId).annotation for place in {folder, str(now)}]
            if _isSaved(now, caseId, made):
                del self._user.drawn[folder, caseId]
            else:
                fingerprints = [segmentationFingerprint(node) for node in nodes if node is not None]
                assert fingerprints, f"what was drawn in {caseId} is gone"
                assert fingerprint in fingerprints, f"what was drawn in {caseId} is another"

    def _lookAtPanel(self) -> None:
        user, session = self._user, self._user.session
        if session.study is not None and session.study.layout.exists():
            assert load_study(session.folder) == session.study
        node = user.node()
        assert node is None or node is user.panel.scene.nodes.annotation
        assert session.facts().editing == (node is not None)
        assert user.panel.ui.guidanceLabel.text
        hidden = {case for folder, case in user.drawn if folder == str(session.folder) and case != session.case_id}
        assert all(case in user.panel.ui.waitingLabel.text for case in hidden)
        for name, fold in user.panel.folds.items():
            for button in fold.findChildren(qt.QPushButton):
                assert button.enabled or button.toolTip, f"{name}: {button.text} does not say why it is disabled"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _isSaved(folder: Path, caseId: str, made: np.ndarray) -> bool:
    study = load_study(folder)
    case = next((case for case in study.cases if case.id == caseId), None)
    if case is None or case.annotation is None:
        return False
    classes = read_annotation(study.annotation_path(case), study.structures, read_image(study.image_path(case)))
    return np.array_equal(sitk.GetArrayFromImage(classes) == 1, made)

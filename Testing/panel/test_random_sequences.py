"""Random sequences of what a user can do: no exception, no process left behind, no annotation lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import qt
import SimpleITK as sitk

from SemiSupervisedSegLib.panel.scene.segments import segmentationFingerprint
from SemiSupervisedSegLib.panel.scene.tags import nodesOf
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.store import load_study

from .random_user import RandomUser
from .run.fake_worker import fake_python
from .sections.desk import finished_study
from .sections.train.train_panel import TINY
from .studies import make_study, write_annotation, write_volume

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")

# All others have a worker that is a real process and says what a real one says, but computes nothing.
REAL_TRAININGS = (3, 52)
_WORKER = """
import shutil
with folder.lock():
    folder.write_status("running")
    number = 0
    while number < 40:
        number += 1
        step(number, 40)
        time.sleep(0.01)
        if folder.cancel_requested():
            say(Cancelled(step=number)); sys.exit(3)
    for part in ("predictions", "model"):
        if (folder.path.parent / "001-supervised" / part).is_dir():
            shutil.copytree(folder.path.parent / "001-supervised" / part, folder.path / part)
    folder.write_result({"mean_dice": {"final": 0.5}}); say(Finished(result={}))
"""


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a round, one without, images and annotations to add, and a folder for everything that comes out."""
    finished = finished_study(tmp_path_factory)
    shutil.copytree(finished, tmp_path / "study")
    (tmp_path / "model").symlink_to(finished / "rounds" / "001-supervised" / "model")
    make_study(tmp_path / "other", cases=2, annotated=1)
    (tmp_path / "out").mkdir()
    for number in range(2):
        write_volume(tmp_path / "files" / f"image{number}.nrrd", number)
    write_annotation(tmp_path / "files" / "image0.seg.nrrd")
    shutil.copy(finished / "annotations" / "case-001.seg.nrrd", tmp_path / "files" / "annotation.seg.nrrd")
    return tmp_path


class Witness:
    """Looks after every action whether everything is still there and says what it should."""

    def __init__(self, user: RandomUser) -> None:
        self._user = user
        self._files: dict[Path, str] = {}

    def look(self) -> None:
        self.lookAtFiles()
        self._lookAtPanel()

    def lookAtFiles(self) -> None:
        self._lookAtDisk()
        self._lookAtDrawings()

    def _lookAtDisk(self) -> None:
        """What was the annotation of a case once stays as it was, whatever comes after it."""
        for name in ("study", "other"):
            study = load_study(self._user.place / name)
            for case in study.cases:
                if case.annotation is not None:
                    path = study.annotation_path(case)
                    assert path.is_file(), f"the annotation of {case.id} is gone"
                    self._files.setdefault(path, _digest(path))
        for path, digest in self._files.items():
            assert path.is_file(), f"{path} is gone"
            assert _digest(path) == digest, f"{path} is another"

    def _lookAtDrawings(self) -> None:
        """What was drawn is in the scene until it is saved or given up."""
        for (folder, caseId), (fingerprint, made) in tuple(self._user.drawn.items()):
            node = nodesOf(folder, caseId).annotation
            if _isSaved(Path(folder), caseId, made):
                del self._user.drawn[folder, caseId]
            else:
                assert node is not None, f"what was drawn in {caseId} is gone"
                assert segmentationFingerprint(node) == fingerprint, f"what was drawn in {caseId} is another"

    def _lookAtPanel(self) -> None:
        user, session = self._user, self._user.session
        if session.study is not None:
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


@pytest.mark.parametrize("seed", range(100))
def test_whatever_the_user_does(
    seed: int, scene: Any, services: Any, spin: Callable[..., None], place: Path, packaging: Any
) -> None:
    before = set(psutil.Process().children(recursive=True))
    isReal = seed in REAL_TRAININGS
    services.pythonExecutable = sys.executable if isReal else fake_python(place, _WORKER)
    user = RandomUser(seed, place, services, scene, TINY)
    witness = Witness(user)
    try:
        user.session.open_study(place / "study")
        if isReal:
            user.press("Train", "startButton")
            assert user.panel.runner.running
        for _ in range(10):
            user.act()
            _wait(user, spin)
            witness.look()
        _stop(user, spin)
        witness.look()
        user.leave()
        witness.lookAtFiles()
        spin(lambda: set(psutil.Process().children(recursive=True)) <= before, 20)
    except BaseException:
        print(f"seed {seed}: {', '.join(user.log)}\nsaid: {user.dialogs.messages}")
        raise


def _wait(user: RandomUser, spin: Callable[..., None]) -> None:
    ticks, passed = user.chance.choice((1, 1, 1, 2, 8)), []
    spin(lambda: passed.append(True) or len(passed) >= ticks)


def _stop(user: RandomUser, spin: Callable[..., None]) -> None:
    """Let the user stop what runs, which may have ended just now, and sometimes not wait for it."""
    runner, isPatient = user.panel.runner, user.chance.random() < 0.5
    while runner.running:
        user.press("Train", "stopButton")
        if isPatient:
            spin(lambda: not runner.running, 60)
        else:
            _wait(user, spin)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _isSaved(folder: Path, caseId: str, made: np.ndarray) -> bool:
    study = load_study(folder)
    case = next((case for case in study.cases if case.id == caseId), None)
    if case is None or case.annotation is None:
        return False
    classes = read_annotation(study.annotation_path(case), study.structures, read_image(study.image_path(case)))
    return np.array_equal(sitk.GetArrayFromImage(classes) == 1, made)

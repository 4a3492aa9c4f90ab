"""Random sequences of what a user can do: no exception, no process left behind, no annotation lost."""

from __future__ import annotations

import os
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import slicer

from .random_user import RandomUser
from .run.fake_worker import fake_python
from .sections.desk import finished_study
from .sections.train.train_panel import TINY
from .studies import make_study, write_annotation, write_volume
from .witness import Witness

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")

# All others have a worker that is a real process and says what a real one says, but computes nothing.
REAL_TRAININGS = (3, 31)
SEEDS = range(40)
# What the sequences are about: each of them has to be in some.
SUBJECTS = {
    "acceptButton",
    "rejectButton",
    "undoButton",
    "key",
    "draw",
    "undo a stroke",
    "move a study",
    "openButton",
    "startButton",
    "continueButton",
    "compareStartButton",
    "compareResumeButton",
}
_done: dict[int, set[str]] = {}
_WORKER = """
import shutil
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.comparison_table import ComparisonTable, MethodScores
with folder.lock():
    folder.write_status("running")
    number = 0
    while number < 40:
        number += 1
        step(number, 40)
        time.sleep(0.01)
        if folder.cancel_requested():
            say(Cancelled(step=number)); sys.exit(3)
    for part in ("predictions", "model", "checkpoints"):
        if (folder.path.parent / "001-supervised" / part).is_dir():
            shutil.copytree(folder.path.parent / "001-supervised" / part, folder.path / part, dirs_exist_ok=True)
    if folder.name.endswith("compare"):
        rows = tuple(MethodScores(name, 2, 2, 2, 0.5) for name in Comparison(folder.path).request().methods)
        Comparison(folder.path).write_table(ComparisonTable(rows, rows[0].method))
        say(TableUpdated(1, 1, 0.0))
    folder.write_result({"mean_dice": {"final": 0.5}, "steps": 40}); say(Finished(result={}))
"""


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study with a round, one without, images and annotations to add, and a folder for everything that comes out."""
    finished = finished_study(tmp_path_factory)
    shutil.copytree(finished, tmp_path / "study")
    (tmp_path / "model").symlink_to(finished / "rounds" / "001-supervised" / "model")
    make_study(tmp_path / "other", cases=2, annotated=1)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(slicer.modules, "slicernninteractive", types.SimpleNamespace(), raising=False)
    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None)
    for number in range(2):
        write_volume(tmp_path / "files" / f"image{number}.nrrd", number)
    write_annotation(tmp_path / "files" / "image0.seg.nrrd")
    shutil.copy(finished / "annotations" / "case-001.seg.nrrd", tmp_path / "files" / "annotation.seg.nrrd")
    return tmp_path


@pytest.mark.parametrize("seed", SEEDS)
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
        _done[seed] = set(user.log)
        _stop(user, spin)
        witness.look()
        user.session.close_study()
        witness.lookAfterClosing()
        user.leave()
        witness.lookAtFiles()
        spin(lambda: set(psutil.Process().children(recursive=True)) <= before, 20)
    except BaseException:
        print(f"seed {seed}: {', '.join(user.log)}\nsaid: {user.dialogs.messages}")
        # Its timers would fail the tests after it.
        user.panel.cleanup()
        raise


def test_the_sequences_are_about_everything() -> None:
    if set(_done) != set(SEEDS):
        pytest.skip("not all sequences were run, or some of them failed")
    assert set.union(*_done.values()) >= SUBJECTS


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

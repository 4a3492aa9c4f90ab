from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.scene.case_scene import CaseScene
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Case, Study
from SemiSupervisedSegLib.study.store import load_study

from .builders import write_prediction

SIZE = (32, 32, 6)


@pytest.fixture(scope="session")
def made_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "study"
    counts = {"labeled": 2, "unlabeled": 0, "external": 2, "validation": 0}
    generate_study(folder, **counts, size=SIZE, seed=3, difficulty=0.1)
    return folder


@pytest.fixture
def study(made_study: Path, tmp_path: Path) -> Study:
    """Two annotated local cases and two of other sites, oblique, with axes in another order and left-handed."""
    return load_study(shutil.copytree(made_study, tmp_path / "study"))


@pytest.fixture
def predict(study: Study) -> Callable[..., JobFolder]:
    """Write predictions of a case as the worker does: the annotation moved by some voxels."""

    def write(case: Case, final: int = 3, prototype: int = -3, number: int = 1) -> JobFolder:
        folder = JobFolder(study.folder / "rounds" / f"{number:03d}-cu2l")
        write_prediction(study, case, folder.predictions, final, prototype)
        return folder

    return write


@pytest.fixture
def case_scene(scene: Any) -> CaseScene:
    """An adapter on an empty scene."""
    return CaseScene()

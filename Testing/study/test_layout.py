from __future__ import annotations

from pathlib import Path

import pytest

import SemiSupervisedSegLib
from SemiSupervisedSegLib.jobs.continuation import model_in
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import StudyFolder
from SemiSupervisedSegLib.study.store import create_study


def test_a_folder_has_a_study_when_it_has_its_file(tmp_path, structures):
    places = StudyFolder(tmp_path)
    assert not places.exists()
    study = create_study(tmp_path, "Hearts", "MR", "here", structures)
    assert places.exists()
    assert study.layout.study_file == places.study_file


def test_a_folder_that_cannot_be_looked_into_has_no_study_and_no_round():
    # The system refuses a name of 300 letters as it refuses a folder without permission, which root cannot have.
    refused = Path("/") / ("x" * 300)
    assert not StudyFolder(refused).exists()
    assert not JobFolder(refused).exists()
    with pytest.raises(UserError, match="There is no trained model in"):
        model_in(refused)


def test_the_names_in_a_study_folder_are_written_once():
    package = Path(SemiSupervisedSegLib.__file__).parent
    names = ("study.json", "study.lock", "images", "annotations", "cache", "rounds", "comparisons")
    own = package / "study" / "layout.py"
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used = [name for name in names if f'/ "{name}"' in text or f' = "{name}"' in text]
        assert not used or path == own, f"{path.name} has a name of StudyFolder: {used}"

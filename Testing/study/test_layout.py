from __future__ import annotations

from pathlib import Path

import SemiSupervisedSegLib
from SemiSupervisedSegLib.study.layout import StudyFolder
from SemiSupervisedSegLib.study.store import create_study


def test_a_folder_has_a_study_when_it_has_its_file(tmp_path, structures):
    places = StudyFolder(tmp_path)
    assert not places.exists()
    study = create_study(tmp_path, "Hearts", "MR", "here", structures)
    assert places.exists()
    assert study.layout.study_file == places.study_file


def test_the_names_in_a_study_folder_are_written_once():
    package = Path(SemiSupervisedSegLib.__file__).parent
    names = ("study.json", "study.lock", "images", "annotations", "cache", "rounds", "comparisons")
    own = package / "study" / "layout.py"
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used = [name for name in names if f'/ "{name}"' in text or f' = "{name}"' in text]
        assert not used or path == own, f"{path.name} has a name of StudyFolder: {used}"

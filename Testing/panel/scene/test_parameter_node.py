from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.panel.scene.parameter_node import ParameterNode

from ..studies import make_study


@pytest.fixture
def parameters(scene: Any) -> ParameterNode:
    scene.SetURL("")
    yield ParameterNode()
    scene.SetURL("")


def save(scene: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scene.SetURL(str(path))
    assert scene.Commit(str(path))


def load(scene: Any, path: Path) -> None:
    scene.Clear(0)
    scene.SetURL(str(path))
    assert scene.Connect()


def test_texts_are_kept_in_one_node_of_the_scene(parameters, scene):
    assert parameters.get("Filter", "none") == "none"
    parameters.set("Filter", "liver")
    assert ParameterNode().get("Filter") == "liver"
    assert scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode") == 1
    time = parameters.node.GetMTime()
    parameters.set("Filter", "liver")
    assert parameters.node.GetMTime() == time


def test_a_study_is_found_where_it_was(parameters, scene, tmp_path):
    study = make_study(tmp_path / "study", cases=1)
    parameters.setStudyFolder(study.folder)
    save(scene, tmp_path / "scenes" / "a.mrml")
    load(scene, tmp_path / "scenes" / "a.mrml")
    assert ParameterNode().studyFolder() == study.folder
    assert ParameterNode().lostFolder() == ""


def test_a_scene_and_a_study_that_moved_together_find_each_other(parameters, scene, tmp_path):
    study = make_study(tmp_path / "disk1" / "study", cases=1)
    scene.SetURL(str(tmp_path / "disk1" / "scene.mrml"))
    parameters.setStudyFolder(study.folder)
    save(scene, tmp_path / "disk1" / "scene.mrml")
    (tmp_path / "disk1").rename(tmp_path / "disk2")
    load(scene, tmp_path / "disk2" / "scene.mrml")
    assert ParameterNode().studyFolder() == tmp_path / "disk2" / "study"


def test_a_study_that_is_gone_is_named(parameters, tmp_path):
    parameters.setStudyFolder(tmp_path / "gone")
    assert parameters.studyFolder() is None
    assert parameters.lostFolder() == (tmp_path / "gone").as_posix()
    parameters.setStudyFolder(None)
    assert parameters.lostFolder() == ""

"""The whole panel and the scene: scenes that are saved, opened and closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from SemiSupervisedSegLib.panel.scene.segments import segmentsOf
from SemiSupervisedSegLib.study.store import load_study

from .drawing import paint, volumes
from .scene.builders import mask_of
from .studies import make_round, make_study


def load(scene: Any, path: Path) -> None:
    scene.Clear(0)
    scene.SetURL(str(path))
    assert scene.Connect()


def test_a_saved_scene_opens_with_the_panel_as_it_was(panel, makePanel, scene, tmp_path):
    make_round(panel.session.study, "001-cu2l")
    make_round(panel.session.study, "002-cpcl")
    panel.session.refresh_rounds()
    panel.session.choose_round("001-cu2l")
    panel.session.show("case01")
    panel.sections["Cases"].ui.filterEdit.text = "away"
    panel.folds["Study"].setProperty("collapsed", True)
    panel.folds["Disk"].setProperty("collapsed", False)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    panel.cleanup()
    scene.Clear(0)
    other = makePanel()
    assert other.session.study is None
    load(scene, tmp_path / "scene.mrml")
    assert other.session.folder == tmp_path / "study"
    assert (other.session.case_id, other.session.round.name) == ("case01", "001-cu2l")
    assert other.sections["Cases"].ui.filterEdit.text == "away"
    assert (other.folds["Study"].collapsed, other.folds["Disk"].collapsed) == (True, False)
    assert volumes() == ["case01"]


def test_a_scene_of_the_open_study_opens_as_it_was_with_what_was_drawn(panel, scene, tmp_path):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    paint(panel)
    panel.session.show("case01")
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert panel.session.case_id is None
    assert panel.ui.waitingLabel.isHidden()
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert panel.session.case_id == "case01"
    assert volumes() == ["case01"]
    assert "case02" in panel.ui.waitingLabel.text


def test_a_scene_saved_with_an_active_effect_and_an_empty_segment_goes_on(panel, scene, tmp_path):
    structures = [structure.name for structure in panel.session.study.structures]
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    (editor,) = panel.ui.editorContainer.findChildren(slicer.qMRMLSegmentEditorWidget)
    editor.setActiveEffectByName("Paint")
    paint(panel)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert not panel.session.facts().editing and editor.activeEffect() is None
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert panel.session.case_id == "case02"
    assert not panel.session.facts().editing
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    node, volume = panel.scene.nodes.annotation, panel.scene.nodes.volume
    assert [segment.GetName() for _, segment in segmentsOf(node)] == structures
    assert [int(mask_of(node, name, volume).sum()) for name in structures] == [12, 0]
    panel.ui.saveEditButton.click()
    assert panel.session.study.case("case02").annotation is not None


def test_an_mrb_opens_with_its_study(panel, makePanel, scene, tmp_path):
    panel.session.show("case00")
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    panel.cleanup()
    scene.Clear(0)
    other = makePanel()
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert other.session.folder == tmp_path / "study"
    assert other.session.case_id == "case00"
    assert volumes() == ["case00"]


def test_a_study_that_is_gone_is_said_and_not_forgotten_and_the_panel_stays_usable(makePanel, scene, dialogs, tmp_path):
    first = makePanel()
    make_study(tmp_path / "study")
    first.session.open_study(tmp_path / "study")
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    first.cleanup()
    scene.Clear(0)
    (tmp_path / "study").rename(tmp_path / "elsewhere")
    other = makePanel()
    load(scene, tmp_path / "scene.mrml")
    assert scene.Commit()
    load(scene, tmp_path / "scene.mrml")
    assert len(dialogs.messages) == 2
    assert "is not in" in dialogs.messages[0]
    dialogs.answer("chooseFolder", str(tmp_path / "elsewhere"))
    other.sections["Study"].ui.openButton.click()
    assert other.session.folder == tmp_path / "elsewhere"


def test_closing_the_scene_keeps_the_study_and_loses_no_annotation_on_disk(panel, scene):
    panel.sections["Cases"].table.select(["case00"])
    panel.sections["Cases"].ui.annotateButton.click()
    assert panel.session.facts().editing
    scene.Clear(0)
    assert panel.session.folder is not None
    assert panel.session.case_id is None
    assert not panel.session.facts().editing
    assert load_study(panel.session.folder).case("case00").annotation
    panel.sections["Cases"].ui.annotateButton.click()
    assert panel.session.facts().editing
    panel.exit()
    panel.enter()


def test_a_scene_of_somebody_else_leaves_the_open_study(panel, scene, tmp_path):
    other = slicer.vtkMRMLScene()
    other.SetURL(str(tmp_path / "other.mrml"))
    assert other.Commit()
    load(scene, tmp_path / "other.mrml")
    assert panel.session.folder == tmp_path / "study"


def test_after_cleanup_the_scene_reaches_nobody(panel, scene):
    panel.session.show("case00")
    panel.cleanup()
    scene.Clear(0)
    assert panel.session.case_id == "case00"


def test_a_study_opened_at_its_new_place_shows_what_the_scene_had_shown(panel, makePanel, scene, tmp_path, dialogs):
    """What was drawn and not saved is found again, and no node is left behind."""
    make_round(panel.session.study, "001-cu2l")
    make_round(panel.session.study, "002-cpcl")
    panel.session.refresh_rounds()
    panel.session.choose_round("001-cu2l")
    panel.sections["Cases"].table.select(["case02"])
    panel.sections["Cases"].ui.annotateButton.click()
    paint(panel)
    panel.session.show("case01")
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    panel.cleanup()
    scene.Clear(0)
    (tmp_path / "study").rename(tmp_path / "moved")
    other = makePanel()
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert "is not in" in dialogs.messages[-1]
    other.session.open_study(tmp_path / "moved")
    assert (other.session.case_id, other.session.round.name) == ("case01", "001-cu2l")
    assert volumes() == ["case01"]
    assert other.scene.unsavedCases(other.session.study) == ["case02"]
    assert len(dialogs.messages) == 1


def test_another_study_is_not_taken_for_the_one_that_was_moved(panel, makePanel, scene, tmp_path, dialogs):
    panel.session.show("case03")
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    panel.cleanup()
    scene.Clear(0)
    (tmp_path / "study").rename(tmp_path / "moved")
    make_study(tmp_path / "small", cases=2)
    other = makePanel()
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    other.session.open_study(tmp_path / "small")
    assert other.session.case_id is None

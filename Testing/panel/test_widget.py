from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer

from SemiSupervisedSegLib.panel.widget import Panel
from SemiSupervisedSegLib.study.store import load_study

from .studies import make_long_study, make_round, make_study

UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"


@pytest.fixture
def makePanel(scene: Any, services: Any) -> Iterator[Callable[[], Panel]]:
    made: list[Panel] = []
    # What the computer can train on does not matter here, and to ask takes seconds of it.
    services.pythonExecutable = shutil.which("false")

    def make() -> Panel:
        made.append(Panel(UI, scene, services))
        return made[-1]

    scene.SetURL("")
    yield make
    for panel in made:
        panel.cleanup()
        panel.widget.deleteLater()
    scene.SetURL("")


@pytest.fixture
def panel(makePanel: Callable[[], Panel], tmp_path: Path) -> Panel:
    made = makePanel()
    make_study(tmp_path / "study")
    made.session.open_study(tmp_path / "study")
    return made


def load(scene: Any, path: Path) -> None:
    scene.Clear(0)
    scene.SetURL(str(path))
    assert scene.Connect()


def paint(panel: Panel) -> None:
    """Draw a block of the first structure, as a user does in the Segment Editor."""
    node, volume = panel.scene.nodes.annotation, panel.scene.nodes.volume
    block = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    block[2:4, 3:6, 3:5] = 1
    segment = node.GetSegmentation().GetNthSegmentID(0)
    slicer.util.updateSegmentBinaryLabelmapFromArray(block, node, segment, volume)


def volumes() -> list[str]:
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    return [slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode").GetName() for index in range(count)]


def test_all_sections_are_there_in_the_order_of_the_work(makePanel):
    panel = makePanel()
    titles = [fold.text for fold in panel.folds.values()]
    assert titles == ["Study", "Cases", "Train", "Review", "Export", "Disk"]
    layout = panel.ui.sectionsContainer.layout()
    assert [layout.itemAt(index).widget() for index in range(6)] == list(panel.folds.values())


def test_the_header_says_what_to_do_next(makePanel, tmp_path):
    panel = makePanel()
    assert panel.ui.guidanceLabel.text == "Open or create a study."
    study = make_study(tmp_path / "study", cases=3, annotated=1)
    panel.session.open_study(study.folder)
    assert panel.ui.summaryLabel.text == "Livers: 1 labeled, 2 unlabeled"
    make_round(study, "001-cu2l")
    panel.session.refresh_rounds()
    assert "001-cu2l is ready" in panel.ui.guidanceLabel.text


def test_nothing_is_wider_than_the_narrowest_panel(panel):
    for name, fold in panel.folds.items():
        fold.setProperty("collapsed", False)
        assert fold.layout().minimumSize().width() <= 346, name


def test_every_disabled_button_says_why(panel):
    for name, fold in panel.folds.items():
        for button in fold.findChildren(qt.QPushButton):
            assert button.enabled or button.toolTip, f"{name}: {button.text}"


def test_showing_a_case_loads_it_and_leaving_it_removes_it(panel):
    panel.session.show("case01")
    assert volumes() == ["case01"]
    panel.session.show("case02")
    assert volumes() == ["case02"]
    panel.session.close_study()
    assert volumes() == []


def test_a_case_that_cannot_be_shown_is_said(panel, dialogs):
    (panel.session.folder / "images" / "case03.nrrd").unlink()
    panel.session.show("case03")
    assert "case03.nrrd" in dialogs.said[0]
    panel.session.show("case01")
    assert volumes() == ["case01"]


def test_review_leads_to_the_next_round(panel, spin):
    folder = make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    folder.model.mkdir()
    panel.session.refresh_rounds()
    panel.folds["Train"].setProperty("collapsed", True)
    assert panel.sections["Train"].form.warmStart is None
    panel.sections["Review"].trainWanted.emit()
    assert not panel.folds["Train"].collapsed
    assert panel.sections["Train"].form.warmStart.name == "001-cu2l"


@pytest.mark.parametrize("name", ["Train", "Review"])
def test_a_section_that_another_leads_to_comes_into_view(panel, spin, name):
    panel.widget.resize(360, 500)
    panel.widget.show()
    for fold in panel.folds.values():
        fold.setProperty("collapsed", fold is panel.folds[name])
    panel.ui.scrollArea.verticalScrollBar().setValue(0)
    lead = panel.sections["Review"].trainWanted if name == "Train" else panel.sections["Export"].reviewWanted
    lead.emit()
    top = qt.QPoint(0, 0)
    spin(lambda: panel.folds[name].mapTo(panel.ui.scrollArea.viewport(), top).y() == 0)
    assert not panel.folds[name].collapsed


def test_a_way_that_was_not_finished_ends_with_the_panel(scene, services, spin):
    panel, passed = Panel(UI, scene, services), []
    panel.sections["Export"].reviewWanted.emit()
    panel.cleanup()
    panel.widget.delete()
    qt.QTimer.singleShot(0, lambda: passed.append(True))
    spin(lambda: passed)


def test_the_header_names_drawings_that_wait_unsaved(panel, dialogs):
    label, cases = panel.ui.waitingLabel, panel.sections["Cases"]
    folder = panel.session.folder
    assert label.isHidden()
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    paint(panel)
    assert label.isHidden()
    panel.session.show("case01")
    assert not label.isHidden()
    assert "case02" in label.text
    panel.session.close_study()
    assert str(folder) in label.text
    panel.session.open_study(folder)
    cases.table.select(["case02"])
    dialogs.answer("confirm", True)
    cases.ui.removeButton.click()
    assert "case02" in label.text
    assert "not in the study any more" in label.text


def test_what_waits_unsaved_is_saved_after_it_was_annotated_again(panel):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    paint(panel)
    panel.session.show(None)
    assert "case02" in panel.ui.waitingLabel.text
    cases.ui.annotateButton.click()
    panel.ui.saveEditButton.click()
    assert panel.ui.waitingLabel.isHidden()
    panel.session.show("case01")
    assert panel.ui.waitingLabel.isHidden()


def test_results_of_another_round_come_with_the_round(panel):
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.show("case02")
    assert panel.scene.nodes.final is None
    panel.session.refresh_rounds()
    assert panel.scene.nodes.final is not None
    assert panel.scene.nodes.prototype is not None


def test_changes_of_the_case_do_not_disturb_its_annotation(panel):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    node = panel.editing.editor.node
    cases.ui.siteBox.setEditText("Third")
    cases.ui.setSiteButton.click()
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    assert panel.scene.nodes.annotation is node
    assert panel.scene.nodes.final is None
    panel.ui.discardEditButton.click()
    assert panel.scene.nodes.final is not None


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


def test_the_study_may_be_closed_while_something_is_edited(panel, dialogs):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    panel.sections["Study"].ui.closeButton.click()
    assert panel.editing.editor.node is None
    assert not panel.session.facts().editing


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
    assert len(dialogs.said) == 2
    assert "is not in" in dialogs.said[0]
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


def test_with_a_thousand_cases_the_panel_answers_quickly(makePanel, tmp_path, spin):
    panel = makePanel()
    panel.session.open_study(make_long_study(tmp_path / "study").folder)
    cases = panel.sections["Cases"]
    spin(lambda: cases.model.data(cases.model.index(999, 5)) == "missing", timeout=30)
    start = time.perf_counter()
    for count in (1, 2, 3, 4, 5):
        cases.table.select([f"patient{number:04d}" for number in range(count)])
    seconds = (time.perf_counter() - start) / 5
    ticks, gaps = qt.QTimer(), [time.perf_counter()]
    ticks.connect("timeout()", lambda: gaps.append(time.perf_counter()))
    ticks.start(10)
    events = qt.QTimer()
    events.connect("timeout()", panel.session.state_changed.emit)
    events.start(20)
    spin(lambda: gaps[-1] - gaps[0] > 1.2)
    ticks.stop()
    events.stop()
    pauses = [after - before for before, after in itertools.pairwise(gaps)]
    print(f"a selection takes {1000 * seconds:.0f} ms, the longest pause {1000 * max(pauses):.0f} ms")
    assert seconds < 0.3
    assert sorted(pauses)[int(0.95 * len(pauses))] < 0.1

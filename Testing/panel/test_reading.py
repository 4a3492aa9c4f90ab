"""Large images are read by another process while the panel answers: small ones stand for them here."""

from __future__ import annotations

import sys

import pytest
import qt
import slicer

from SemiSupervisedSegLib.panel.logic.state import Action, availability

from .studies import make_round, make_study


def image(name):
    node = slicer.util.getFirstNodeByName(name, "vtkMRMLScalarVolumeNode")
    return None if node is None else node.GetName()


@pytest.fixture
def panel(makePanel, services, tmp_path, monkeypatch, spin):
    """The panel with a process that reads, over a study with a round."""
    monkeypatch.setattr("SemiSupervisedSegLib.panel.scene.case_loading._SMALL_BYTES", 0)
    made = makePanel()
    services.pythonExecutable = sys.executable
    study = make_study(tmp_path / "study")
    make_round(study, uncertainties={"case02": 0.2, "case03": 0.1})
    made.session.open_study(tmp_path / "study")
    spin(lambda: made.sections["Review"].model.rowCount() == 2)
    return made


@pytest.fixture
def read(panel, spin):
    """Returns when the shown case has been read."""
    return lambda: spin(lambda: not panel.session.facts().reading, timeout=60)


def test_a_case_is_shown_when_it_is_read_and_until_then_the_panel_says_so(panel, read):
    panel.session.show("case02")
    assert panel.session.facts().reading
    assert panel.ui.summaryLabel.text == "Reading case02..."
    assert qt.QApplication.overrideCursor() is not None
    assert panel.scene.nodes is None
    assert "read" in availability(panel.session.facts(), Action.ACCEPT)
    read()
    assert panel.scene.nodes.volume is not None
    assert panel.scene.nodes.final is not None
    assert qt.QApplication.overrideCursor() is None
    assert "Reading" not in panel.ui.summaryLabel.text
    assert not availability(panel.session.facts(), Action.ACCEPT)


def test_the_case_before_is_out_of_the_views_while_the_next_one_is_read(panel, read, slice_views):
    panel.session.show("case02")
    read()
    nodes, composites = panel.scene.nodes, slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = nodes.volume.GetID()
    assert {node.GetBackgroundVolumeID() for node in composites} == {shown}
    panel.session.show("case03")
    assert {node.GetBackgroundVolumeID() for node in composites} == {None}
    assert not nodes.final.GetDisplayVisibility()
    # And back before that is done: nothing of it has to be read.
    panel.session.show("case02")
    assert not panel.session.facts().reading
    assert {node.GetBackgroundVolumeID() for node in composites} == {shown}
    assert nodes.final.GetDisplayVisibility()


def test_of_many_clicks_the_last_one_counts(panel, read):
    for case in ("case00", "case01", "case02", "case03"):
        panel.session.show(case)
    read()
    assert panel.scene.nodes.case_id == "case03"
    assert image("case03") is not None
    assert image("case01") is None


def test_closing_the_study_ends_the_waiting(panel, spin):
    panel.session.show("case00")
    panel.session.close_study()
    assert not panel.session.facts().reading
    assert qt.QApplication.overrideCursor() is None
    spin(lambda: not panel.readAhead.isWaiting, timeout=60)
    assert image("case00") is None


def test_annotating_begins_when_the_image_is_read(panel, read):
    editor = panel.sections["Cases"].annotationEditor
    editor.start("case02")
    assert not panel.session.facts().editing
    read()
    assert panel.session.facts().editing
    assert editor.caseId == panel.scene.nodes.case_id == "case02"
    assert panel.editing.editor.node is panel.scene.nodes.annotation


def test_annotating_does_not_begin_on_another_image_than_was_wanted(panel, read):
    panel.sections["Cases"].annotationEditor.start("case02")
    panel.session.show("case03")
    read()
    assert not panel.session.facts().editing
    panel.session.show("case02")
    read()
    assert not panel.session.facts().editing


def test_an_image_that_cannot_be_read_is_said(panel, read, dialogs):
    path = panel.session.study.image_path(panel.session.study.case("case02"))
    path.write_bytes(b"no image")
    panel.session.show("case02")
    read()
    assert path.name in dialogs.messages[-1]
    panel.session.show("case03")
    read()
    assert panel.scene.nodes.volume is not None


def test_without_the_process_the_panel_reads_itself(panel, services, makePanel, spin, tmp_path):
    panel.session.close_study()
    services.pythonExecutable = "false"
    other = makePanel()
    other.session.open_study(tmp_path / "study")
    other.session.show("case02")
    spin(lambda: not other.session.facts().reading)
    assert other.scene.nodes.volume is not None
    other.session.show("case03")
    assert not other.session.facts().reading
    assert other.scene.nodes.case_id == "case03"


def test_another_round_of_the_same_image_leaves_it_in_view(panel, read, slice_views):
    panel.session.show("case02")
    read()
    volume = panel.scene.nodes.volume
    make_round(panel.session.study, "002-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    assert panel.session.facts().reading
    assert panel.scene.nodes.volume is volume
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {node.GetBackgroundVolumeID() for node in composites} == {volume.GetID()}
    read()
    assert panel.scene.nodes.volume is volume

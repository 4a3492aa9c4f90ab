from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import qt
import slicer
import slicer.util

from SemiSupervisedSegLib.panel.scene.segments import segmentsOf
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.store import study_lock

from ..desk import FIRST, LABELED, SECOND, prediction, voxels
from .deciding import annotation_of, choose_kind, paint


def test_a_correction_is_a_copy_and_what_is_accepted(review, desk):
    desk.session.show(FIRST)
    file = prediction(desk, FIRST, "prototype")
    content, before = file.read_bytes(), voxels(file)
    choose_kind(review, "prototype")
    review.ui.correctButton.click()
    node = desk.editing.editor.node
    assert node is desk.scene.nodes.annotation
    assert node is not desk.scene.nodes.prototype
    painted = paint(desk, node)
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)
    assert not np.array_equal(painted, before)
    assert file.read_bytes() == content
    assert desk.editing.editor.node is None
    assert not desk.session.facts().editing


def test_what_is_corrected_is_seen(review, desk):
    review.ui.showAnnotationBox.setChecked(False)
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    assert review.ui.showAnnotationBox.checked
    assert desk.scene.nodes.annotation.GetDisplayVisibility()


def test_an_untouched_correction_is_accepted_as_it_was_predicted(review, desk):
    desk.session.show(FIRST)
    choose_kind(review, "prototype")
    review.ui.correctButton.click()
    review.ui.acceptButton.click()
    labels = np.array([0, *(structure.label for structure in desk.study.structures)])
    assert np.array_equal(labels[annotation_of(desk, FIRST)], voxels(prediction(desk, FIRST, "prototype")))


def test_leaving_a_correction_is_asked_and_it_waits(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    painted = paint(desk, desk.editing.editor.node)
    row = review.model.rowOf(SECOND)
    desk.dialogs.answer("confirm", False)
    review.ui.resultsTable.selectRow(row)
    assert desk.session.case_id == FIRST
    assert [index.row() for index in review.ui.resultsTable.selectionModel().selectedRows()] != [row]
    desk.dialogs.answer("confirm", True)
    review.ui.resultsTable.selectRow(row)
    assert desk.session.case_id == SECOND
    assert not desk.session.facts().editing
    assert review.ui.acceptButton.text == "Accept"
    desk.session.show(FIRST)
    assert review.ui.acceptButton.text == "Accept corrected"
    review.ui.correctButton.click()
    assert "Going on" in desk.editing.ui.editorLabel.text
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)


def test_a_discarded_correction_leaves_everything_as_it_was(review, desk):
    before = desk.study
    desk.session.show(LABELED)
    review.ui.correctButton.click()
    paint(desk, desk.editing.editor.node)
    desk.dialogs.answer("confirm", True)
    desk.editing.ui.discardEditButton.click()
    assert desk.study == before
    assert not desk.scene.hasUnsavedAnnotation()
    assert desk.scene.nodes.annotation is not None


def test_when_the_study_is_in_use_elsewhere_nothing_is_lost(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    painted = paint(desk, desk.editing.editor.node)
    with study_lock(desk.folder):
        review.ui.acceptButton.click()
    assert "in use" in desk.dialogs.messages[-1]
    assert review.decisionButtons.caseId == FIRST
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)


@pytest.mark.parametrize("corrected", [True, False])
def test_when_the_study_cannot_be_saved_the_correction_still_counts_as_unsaved(review, desk, monkeypatch, corrected):
    def refuse(study: Any) -> None:
        raise UserError("There is no space left.")

    before = desk.study
    desk.session.show(FIRST)
    choose_kind(review, "prototype")
    if corrected:
        review.ui.correctButton.click()
        painted = paint(desk, desk.editing.editor.node)
    monkeypatch.setattr("SemiSupervisedSegLib.panel.session.save_study", refuse)
    review.ui.acceptButton.click()
    assert desk.dialogs.messages == ["There is no space left."]
    assert desk.study == before
    assert desk.scene.hasUnsavedAnnotation() == corrected
    assert not list((desk.folder / "annotations").glob(f"{FIRST}*"))
    monkeypatch.undo()
    review.ui.acceptButton.click()
    assert desk.case(FIRST).annotation is not None
    assert not corrected or np.array_equal(annotation_of(desk, FIRST), painted)


def test_overlapping_structures_are_said_and_can_be_mended(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    node = desk.editing.editor.node
    paint(desk, node)
    block = np.zeros(voxels(desk.study.image_path(desk.case(FIRST))).shape, np.uint8)
    block[1, 10:12, 5:8] = 1
    ids = [segment_id for segment_id, _ in segmentsOf(node)]
    node.GetSegmentation().SeparateSegmentLabelmap(ids[1])
    slicer.util.updateSegmentBinaryLabelmapFromArray(block, node, ids[1], desk.scene.nodes.volume)
    review.ui.acceptButton.click()
    assert "overlap" in desk.dialogs.messages[-1]
    assert desk.case(FIRST).annotation is None
    painted = paint(desk, node)
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)


def test_a_prediction_that_was_deleted_is_said(review, desk):
    desk.session.show(FIRST)
    for kind in ("final", "prototype"):
        prediction(desk, FIRST, kind).unlink()
    review.ui.acceptButton.click()
    assert desk.dialogs.messages
    assert desk.case(FIRST).annotation is None


def key_event(kind: Any, *, repeated: bool = False) -> None:
    qt.QApplication.sendEvent(
        qt.QApplication.instance(), qt.QKeyEvent(kind, qt.Qt.Key_H, qt.Qt.NoModifier, "h", repeated)
    )


def results_are_shown(desk: Any) -> bool:
    nodes = desk.scene.nodes
    shown = {bool(nodes.final.GetDisplayVisibility()), bool(nodes.prototype.GetDisplayVisibility())}
    assert len(shown) == 1
    return shown.pop()


def peek(desk: Any) -> None:
    shortcut = desk.editing.ui.showResultsButton.findChild(qt.QShortcut)
    assert shortcut.key.toString() == "H"
    assert not shortcut.autoRepeat
    shortcut.activated.emit()


def test_the_results_are_shown_for_as_long_as_the_key_is_held(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    assert not results_are_shown(desk)
    peek(desk)
    assert results_are_shown(desk)
    # What X11 sends while a key is held.
    key_event(qt.QEvent.KeyRelease, repeated=True)
    key_event(qt.QEvent.KeyPress, repeated=True)
    assert results_are_shown(desk)
    key_event(qt.QEvent.KeyRelease)
    assert not results_are_shown(desk)
    peek(desk)
    qt.QApplication.sendEvent(desk.editing.ui.editingPane, qt.QEvent(qt.QEvent.WindowDeactivate))
    assert not results_are_shown(desk)


def test_a_look_with_the_key_leaves_the_button_as_it_was(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    desk.editing.ui.showResultsButton.click()
    peek(desk)
    key_event(qt.QEvent.KeyRelease)
    assert results_are_shown(desk)


def test_accepting_ends_a_look(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    peek(desk)
    review.ui.acceptButton.click()
    desk.session.show(SECOND)
    review.ui.correctButton.click()
    key_event(qt.QEvent.KeyRelease)
    assert not results_are_shown(desk)
    peek(desk)
    assert results_are_shown(desk)
    key_event(qt.QEvent.KeyRelease)

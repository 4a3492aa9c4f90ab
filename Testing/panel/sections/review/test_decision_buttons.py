from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from SemiSupervisedSegLib.panel.logic.decisions import read_decisions
from SemiSupervisedSegLib.panel.scene.segments import segmentsOf
from SemiSupervisedSegLib.panel.sections.review.section import ReviewSection
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import study_lock

from ..desk import FIRST, LABELED, SECOND, VALIDATION, Desk, prediction, voxels


def annotation_of(desk: Desk, case_id: str) -> np.ndarray:
    """The annotation as label values."""
    case = desk.case(case_id)
    image = read_image(desk.study.image_path(case))
    return sitk.GetArrayFromImage(read_annotation(desk.study.annotation_path(case), desk.study.structures, image))


def choose_kind(review: ReviewSection, kind: str) -> None:
    review.ui.kindBox.setCurrentIndex(review.ui.kindBox.findData(kind))


def accept(review: ReviewSection, desk: Desk, case_id: str) -> None:
    """Accept the prototype-based result, which finds something in every case."""
    desk.session.show(case_id)
    choose_kind(review, "prototype")
    review.ui.acceptButton.click()


def paint(desk: Desk, node: Any) -> np.ndarray:
    """Paint a block of the first structure over everything that is there, as a user does in the Segment Editor."""
    made = np.zeros(voxels(desk.study.image_path(desk.case(desk.session.case_id))).shape, np.uint8)
    made[1:3, 10:20, 5:15] = 1
    for segment_id, segment in segmentsOf(node):
        own = segment.GetName() == desk.study.structures[0].name
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            made * np.uint8(own), node, segment_id, desk.scene.nodes.volume
        )
    return made


def test_an_accepted_result_becomes_the_annotation_and_the_list_moves_on(review, desk):
    accept(review, desk, FIRST)
    case = desk.case(FIRST)
    assert case.role is Role.LABELED
    classes = annotation_of(desk, FIRST)
    labels = np.array([0, *(structure.label for structure in desk.study.structures)])
    assert np.array_equal(labels[classes], voxels(prediction(desk, FIRST, "prototype")))
    assert desk.session.case_id == SECOND
    assert "1 accepted" in review.ui.countLabel.text
    assert read_decisions(desk.round)[FIRST].verdict == "accepted"
    assert not desk.dialogs.asked


def test_an_accepted_annotation_is_shown_when_the_case_is(review, desk):
    accept(review, desk, FIRST)
    desk.session.show(FIRST)
    assert desk.scene.nodes.annotation is not None
    assert not desk.scene.hasUnsavedAnnotation()


def test_the_user_may_keep_the_role(review, desk):
    review.ui.trainWithBox.click()
    accept(review, desk, FIRST)
    assert desk.case(FIRST).role is Role.UNLABELED
    assert desk.case(FIRST).annotation is not None


def test_a_result_in_which_nothing_was_found_is_not_accepted(review, desk, spin):
    path = desk.round.predictions / FIRST / "summary.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"volume_final_ml": dict.fromkeys(content["volume_final_ml"], 0.0)}))
    desk.session.refresh_rounds()
    spin(lambda: review.summary(FIRST).is_empty())
    assert review.model.caseIds()[0] == FIRST
    desk.session.show(FIRST)
    choose_kind(review, "final")
    review.ui.acceptButton.click()
    assert "Nothing was found" in desk.dialogs.said[-1]
    assert desk.case(FIRST).annotation is None
    assert not read_decisions(desk.round)


@pytest.mark.parametrize(("case_id", "words"), [(LABELED, "already"), (VALIDATION, "look better than they are")])
def test_an_annotation_is_replaced_only_when_the_user_agrees_and_is_kept(review, desk, case_id, words):
    before, own = desk.case(case_id), desk.study.annotation_path(desk.case(case_id))
    content = own.read_bytes()
    desk.dialogs.answer("confirm", False, True)
    accept(review, desk, case_id)
    assert words in desk.dialogs.asked[0]
    assert desk.case(case_id) == before
    review.ui.acceptButton.click()
    assert desk.case(case_id).annotation != before.annotation
    assert desk.case(case_id).role is before.role
    assert own.read_bytes() == content


def test_a_rejected_result_leaves_the_case_and_is_remembered(review, desk, spin):
    before = desk.study
    desk.session.show(review.model.caseIds()[0])
    rejected = desk.session.case_id
    review.ui.rejectButton.click()
    assert desk.study == before
    assert desk.session.case_id == review.model.caseIds()[1]
    # As after Slicer was started again.
    desk.session.close_study()
    desk.session.open_study(desk.folder)
    spin(lambda: review.model.rowCount() == 4)
    assert review.model.row(rejected).cells[3] == "rejected"
    desk.session.show(rejected)
    assert not review.ui.rejectButton.enabled
    assert "Undo" in review.ui.acceptButton.toolTip


def test_the_list_moves_on_past_decided_results_and_ends(review, desk):
    order = review.model.caseIds()
    desk.session.show(order[1])
    review.ui.rejectButton.click()
    assert desk.session.case_id == order[0]
    review.ui.rejectButton.click()
    # The others have an annotation already.
    assert desk.session.case_id == order[0]
    assert "0 to review" in review.ui.countLabel.text


@pytest.mark.parametrize("case_id", [LABELED, VALIDATION, FIRST])
def test_undo_takes_an_accept_back(review, desk, case_id):
    before = desk.case(case_id)
    desk.dialogs.answer("confirm", True)
    accept(review, desk, case_id)
    stored = desk.study.annotation_path(desk.case(case_id))
    desk.session.show(case_id)
    review.ui.undoButton.click()
    assert desk.case(case_id) == before
    assert stored.exists()
    assert not read_decisions(desk.round)
    assert review.ui.acceptButton.enabled
    assert "no decision" in review.ui.undoButton.toolTip


def test_undo_right_after_a_decision_takes_it_back_and_returns_to_its_image(review, desk):
    first, second = review.model.caseIds()[:2]
    desk.session.show(first)
    review.ui.rejectButton.click()
    desk.session.show(second)
    review.ui.rejectButton.click()
    desk.session.show(LABELED)
    assert second in review.ui.undoButton.toolTip
    for expected in (second, first):
        review.ui.undoButton.click()
        assert desk.session.case_id == expected
        assert review.decision(expected) is None
        desk.session.show(LABELED)
    assert not review.ui.undoButton.enabled
    assert not read_decisions(desk.round)


def test_undo_takes_a_reject_back(review, desk):
    desk.session.show(FIRST)
    review.ui.rejectButton.click()
    desk.session.show(FIRST)
    review.ui.undoButton.click()
    assert not read_decisions(desk.round)
    assert review.ui.rejectButton.enabled


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
    assert "in use" in desk.dialogs.said[-1]
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
    assert desk.dialogs.said == ["There is no space left."]
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
    assert "overlap" in desk.dialogs.said[-1]
    assert desk.case(FIRST).annotation is None
    painted = paint(desk, node)
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)


def test_a_prediction_that_was_deleted_is_said(review, desk):
    desk.session.show(FIRST)
    for kind in ("final", "prototype"):
        prediction(desk, FIRST, kind).unlink()
    review.ui.acceptButton.click()
    assert desk.dialogs.said
    assert desk.case(FIRST).annotation is None

from __future__ import annotations

import json

import numpy as np
import pytest

from SemiSupervisedSegLib.panel.logic.decisions import read_decisions
from SemiSupervisedSegLib.study.model import Role

from ..desk import FIRST, LABELED, SECOND, VALIDATION, prediction, voxels
from .deciding import accept, annotation_of, choose_kind


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
    assert "Nothing was found" in desk.dialogs.messages[-1]
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
    assert review.model.row(rejected).cells[-1] == "rejected"
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

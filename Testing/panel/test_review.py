from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer
import slicer.util

from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.logic.decisions import read_decisions
from SemiSupervisedSegLib.panel.scene.segments import segmentsOf
from SemiSupervisedSegLib.panel.sections.review import ReviewSection
from SemiSupervisedSegLib.panel.sections.review_view import milliliters
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import study_lock

from .reviewing import Desk, finished_study

LABELED, VALIDATION, FIRST, SECOND = "case-001", "case-002", "case-003", "case-004"


@pytest.fixture
def desk(tmp_path_factory, tmp_path: Path, scene: Any, services: Any, slice_views: Any) -> Iterator[Desk]:
    made = Desk(finished_study(tmp_path_factory), tmp_path / "study", services)
    yield made
    made.close()


@pytest.fixture
def review(desk: Desk, spin: Callable[..., None]) -> ReviewSection:
    section = desk.section(ReviewSection, "Review")
    spin(lambda: section.model.rowCount() == 4)
    return section


def voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def annotation_of(desk: Desk, case_id: str) -> np.ndarray:
    """The annotation as label values."""
    case = desk.case(case_id)
    image = read_image(desk.study.image_path(case))
    return sitk.GetArrayFromImage(read_annotation(desk.study.annotation_path(case), desk.study.structures, image))


def prediction(desk: Desk, case_id: str, kind: str) -> Path:
    return desk.round.predictions / case_id / f"{kind}.seg.nrrd"


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


def test_results_are_listed_with_images_without_annotation_first(review):
    ids = review.model.caseIds()
    assert set(ids[:2]) == {FIRST, SECOND}
    assert set(ids[2:]) == {LABELED, VALIDATION}
    shown = {ids[row]: review.model.data(review.model.index(row, 3)) for row in range(4)}
    assert shown == {FIRST: "–", SECOND: "–", LABELED: "annotated", VALIDATION: "annotated"}
    assert review.ui.countLabel.text == "4 images: 0 accepted, 0 rejected, 4 to look at"


def test_without_a_shown_result_every_button_says_why(review, desk):
    ui = review.ui
    for button in (ui.correctButton, ui.acceptButton, ui.rejectButton, ui.undoButton):
        assert not button.enabled
        assert "Show a case" in button.toolTip
    desk.session.close_study()
    for button in (ui.previousButton, ui.nextButton, ui.nextRoundButton, ui.roundBox, ui.acceptButton):
        assert not button.enabled
        assert "study" in button.toolTip
    assert review.model.rowCount() == 0


def test_next_and_previous_go_through_the_list(review, desk):
    ids = review.model.caseIds()
    seen = []
    while review.ui.nextButton.enabled:
        review.ui.nextButton.click()
        seen.append(desk.session.case_id)
    assert seen == ids
    assert "last" in review.ui.nextButton.toolTip
    review.ui.previousButton.click()
    assert desk.session.case_id == ids[2]
    assert [index.row() for index in review.ui.resultsTable.selectionModel().selectedRows()] == [2]
    desk.session.show(ids[0])
    assert not review.ui.previousButton.enabled
    assert "first" in review.ui.previousButton.toolTip


def test_choosing_a_row_shows_the_case_with_both_results(review, desk):
    review.ui.resultsTable.selectRow(1)
    assert desk.session.case_id == review.model.caseIds()[1]
    nodes = desk.scene.nodes
    assert None not in (nodes.volume, nodes.final, nodes.prototype, nodes.probability, nodes.uncertainty)


def test_numbers_are_those_of_the_files(review, desk):
    desk.session.show(FIRST)
    table, image = review.ui.numbersTable, sitk.ReadImage(str(prediction(desk, FIRST, "final")))
    final, prototype = (voxels(prediction(desk, FIRST, kind)) for kind in ("final", "prototype"))
    milliliter = np.prod(image.GetSpacing()) / 1000
    assert table.rowCount == 2
    for row, structure in enumerate(desk.study.structures):
        first, second = final == structure.label, prototype == structure.label
        dice = 2 * np.sum(first & second) / max(first.sum() + second.sum(), 1)
        expected = [structure.name, milliliters(first.sum() * milliliter), milliliters(second.sum() * milliliter)]
        assert [table.item(row, column).text() for column in range(4)] == [*expected, f"{dice:.2f}"]
    desk.session.show(None)
    assert table.rowCount == 0


@pytest.mark.parametrize(
    ("volume", "text"), [(0, "0"), (0.1234, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234")]
)
def test_volumes_have_three_digits_that_count(volume, text):
    assert milliliters(volume) == text


def test_switches_show_and_hide_what_they_say_also_for_the_next_case(review, desk):
    desk.session.show(FIRST)
    for kind, box in (("final", review.ui.showFinalBox), ("prototype", review.ui.showPrototypeBox)):
        assert getattr(desk.scene.nodes, kind).GetDisplayVisibility()
        box.click()
        assert not getattr(desk.scene.nodes, kind).GetDisplayVisibility()
    desk.session.show(LABELED)
    assert not desk.scene.nodes.final.GetDisplayVisibility()
    assert desk.scene.nodes.annotation.GetDisplayVisibility()
    review.ui.showAnnotationBox.click()
    assert not desk.scene.nodes.annotation.GetDisplayVisibility()


def test_the_heatmap_lies_over_the_image_with_its_opacity(review, desk, slice_views):
    desk.session.show(FIRST)
    composite = slice_views["Red"].compositeNode
    assert not review.ui.opacitySlider.enabled
    review.ui.heatmapBox.setCurrentIndex(review.ui.heatmapBox.findData("uncertainty"))
    review.ui.opacitySlider.setValue(30)
    assert composite.GetForegroundVolumeID() == desk.scene.nodes.uncertainty.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)
    review.ui.heatmapBox.setCurrentIndex(0)
    assert not composite.GetForegroundVolumeID()
    assert not review.ui.opacitySlider.enabled


def test_results_side_by_side_and_back(review, desk):
    desk.session.show(FIRST)
    layout = slicer.util.getNodesByClass("vtkMRMLLayoutNode")[0]
    before = layout.GetViewArrangement()
    review.ui.layoutBox.setCurrentIndex(review.ui.layoutBox.findData("side_by_side"))
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    review.ui.layoutBox.setCurrentIndex(review.ui.layoutBox.findData("overlaid"))
    assert layout.GetViewArrangement() == before


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
    spin(lambda: review.summary(FIRST).found_nothing)
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
    desk.session.show(order[0])
    review.ui.rejectButton.click()
    assert desk.session.case_id == order[2]
    review.ui.rejectButton.click()
    review.ui.rejectButton.click()
    assert desk.session.case_id == order[3]
    assert "0 to look at" in review.ui.countLabel.text


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
    node = review.deciding.editor.node
    assert node is desk.scene.nodes.annotation
    assert node is not desk.scene.nodes.prototype
    painted = paint(desk, node)
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)
    assert not np.array_equal(painted, before)
    assert file.read_bytes() == content
    assert review.deciding.editor.node is None
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
    painted = paint(desk, review.deciding.editor.node)
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
    assert "Going on" in review.ui.correctionLabel.text
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)


def test_a_discarded_correction_leaves_everything_as_it_was(review, desk):
    before = desk.study
    desk.session.show(LABELED)
    review.ui.correctButton.click()
    paint(desk, review.deciding.editor.node)
    desk.dialogs.answer("confirm", True)
    review.ui.discardCorrectionButton.click()
    assert desk.study == before
    assert not desk.scene.hasUnsavedAnnotation()
    assert desk.scene.nodes.annotation is not None


def test_when_the_study_is_in_use_elsewhere_nothing_is_lost(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    painted = paint(desk, review.deciding.editor.node)
    with study_lock(desk.folder):
        review.ui.acceptButton.click()
    assert "in use" in desk.dialogs.said[-1]
    assert review.deciding.correcting == FIRST
    review.ui.acceptButton.click()
    assert np.array_equal(annotation_of(desk, FIRST), painted)


def test_overlapping_structures_are_said_and_can_be_mended(review, desk):
    desk.session.show(FIRST)
    review.ui.correctButton.click()
    node = review.deciding.editor.node
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


def test_damaged_decisions_are_said_once_and_left_alone(review, desk, spin):
    (desk.round.path / "review.json").write_text("{")
    desk.session.refresh_rounds()
    spin(lambda: bool(desk.dialogs.said))
    assert "review.json" in desk.dialogs.said[0]
    assert (desk.round.path / "review.json").read_text() == "{"


def test_the_next_round_is_the_business_of_the_section_train(review):
    wanted = []
    review.trainWanted.connect(lambda: wanted.append(True))
    review.ui.nextRoundButton.setEnabled(True)
    review.ui.nextRoundButton.click()
    assert wanted == [True]


def test_a_scene_remembers_the_view(review, desk):
    ui, told = review.ui, []
    desk.session.view_changed.connect(lambda: told.append(review.viewSettings()))
    ui.showFinalBox.setChecked(False)
    ui.heatmapBox.setCurrentIndex(2)
    ui.opacitySlider.setValue(20)
    assert told[-1] == review.viewSettings()
    assert len(told) == 3
    kept = json.loads(json.dumps(review.viewSettings()))
    ui.showFinalBox.setChecked(True)
    ui.heatmapBox.setCurrentIndex(0)
    ui.opacitySlider.setValue(90)
    review.restoreView(kept)
    assert not ui.showFinalBox.checked
    assert ui.heatmapBox.currentData == "uncertainty"
    assert ui.opacitySlider.value == 20
    review.restoreView({"final": "x", "opacity": "-3", "heatmap": "none such", "layout": 3})
    assert review.viewSettings() == kept


def test_a_thousand_results_never_block(desk, spin, services):
    section = desk.section(ReviewSection, "Review")
    spin(lambda: section.model.rowCount() == 4)
    study, made = desk.study, next_round(desk.folder, "cu2l")
    source = json.loads((desk.round.predictions / FIRST / "summary.json").read_text())
    cases = [type(study.cases[0])(f"many-{n}", f"images/{n}.nrrd", "here", Role.UNLABELED) for n in range(1000)]
    for number, case in enumerate(cases):
        place = made.predictions / case.id
        place.mkdir(parents=True)
        (place / "summary.json").write_text(json.dumps(source | {"disagreement": number / 1000}))
    made.write_spec(desk.round.spec())
    made.write_result({})
    ticks = [time.perf_counter()]
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: ticks.append(time.perf_counter()))
    timer.start(10)
    desk.session.change(lambda current: type(current)(**{**vars(current), "cases": tuple(cases)}))
    desk.session.refresh_rounds()
    ticks[:] = [time.perf_counter()]
    spin(lambda: section.model.rowCount() == 1000)
    timer.stop()
    assert section.model.caseIds()[0] == "many-999"
    assert max(later - earlier for earlier, later in itertools.pairwise(ticks)) < 0.1

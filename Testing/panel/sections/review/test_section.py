from __future__ import annotations

import json

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer
import slicer.util

from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.logic.worst_place import worst_place
from SemiSupervisedSegLib.panel.scene.styles import heatColor
from SemiSupervisedSegLib.panel.sections.review.model import DECISION
from SemiSupervisedSegLib.panel.sections.review.section import ReviewSection
from SemiSupervisedSegLib.panel.sections.review.view import milliliters
from SemiSupervisedSegLib.study.model import Role

from ...studies import make_round
from ..desk import FIRST, LABELED, SECOND, VALIDATION, prediction, voxels


def test_results_are_listed_with_images_without_annotation_first(review):
    ids = review.model.caseIds()
    assert set(ids[:2]) == {FIRST, SECOND}
    assert set(ids[2:]) == {LABELED, VALIDATION}
    shown = {ids[row]: review.model.data(review.model.index(row, DECISION)) for row in range(4)}
    assert shown == {FIRST: "–", SECOND: "–", LABELED: "annotated", VALIDATION: "annotated"}
    assert review.ui.countLabel.text == "4 images: 0 accepted, 0 rejected, 2 to review"


def test_without_a_shown_result_every_button_says_why(review, desk):
    ui = review.ui
    for button in (ui.correctButton, ui.acceptButton, ui.rejectButton):
        assert not button.enabled
        assert "Show a case" in button.toolTip
    assert "no decision" in ui.undoButton.toolTip
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
    assert None not in (nodes.volume, nodes.final, nodes.prototype)


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


def test_heatmaps_are_offered_for_each_structure_of_the_study(review, desk):
    box, structures = review.ui.heatmapBox, desk.session.study.structures
    offered = [box.itemText(index) for index in range(box.count)]
    assert offered == [
        "None",
        "Probability",
        "Uncertainty",
        "Disagreement",
        *(f"Probability of {structure.name}" for structure in structures),
    ]
    box.setCurrentIndex(box.findData("probability-2"))
    settings = review.viewSettings()
    box.setCurrentIndex(0)
    review.restoreView(settings)
    assert box.currentData == "probability-2"
    # It stays chosen while the list is filled again, and goes with the study.
    review.view.offerHeatmaps(structures)
    assert box.currentData == "probability-2"
    desk.session.close_study()
    assert (box.count, box.currentData) == (4, "")


def test_results_side_by_side_and_back(review, desk):
    desk.session.show(FIRST)
    layout = slicer.util.getNodesByClass("vtkMRMLLayoutNode")[0]
    before = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    layout.SetViewArrangement(before)
    review.ui.layoutBox.setCurrentIndex(review.ui.layoutBox.findData("side_by_side"))
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    review.ui.layoutBox.setCurrentIndex(review.ui.layoutBox.findData("overlaid"))
    assert layout.GetViewArrangement() == before


def test_damaged_decisions_are_said_once_and_left_alone(review, desk, spin):
    (desk.round.path / "review.json").write_text("{")
    desk.session.refresh_rounds()
    spin(lambda: bool(desk.dialogs.messages))
    assert "review.json" in desk.dialogs.messages[0]
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


def test_a_thousand_results_are_read_while_the_panel_answers(desk, spin, services):
    section = desk.section(ReviewSection, "Review")
    spin(lambda: section.model.rowCount() == 4)
    study, made = desk.study, next_round(desk.folder, "cu2l")
    source = json.loads((desk.round.predictions / FIRST / "summary.json").read_text())
    cases = [type(study.cases[0])(f"many-{n}", f"images/{n}.nrrd", "here", Role.UNLABELED) for n in range(1000)]
    for number, case in enumerate(cases):
        place = made.predictions / case.id
        place.mkdir(parents=True)
        volumes = {"volume_final_ml": {} if number == 999 else {"chamber": 1.0}}
        (place / "summary.json").write_text(json.dumps(source | volumes))
    made.write_spec(desk.round.spec())
    made.write_result({})
    turns = []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: turns.append(section.model.rowCount()))
    timer.start(0)
    desk.session.edit_study(lambda current: type(current)(**{**vars(current), "cases": tuple(cases)}))
    desk.session.refresh_rounds()
    turns.clear()
    spin(lambda: section.model.rowCount() == 1000)
    timer.stop()
    assert section.model.caseIds()[0] == "many-999"
    # The event loop had its turn before the last result was read.
    assert turns[0] < 1000


def test_a_result_opens_where_the_two_results_differ_most(review, desk, slice_views):
    caseId = review.model.caseIds()[0]
    place = worst_place(desk.round.predictions / caseId / "disagreement.nrrd")
    desk.session.show(caseId)
    node = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert node.GetSliceOffset() == pytest.approx(place[2], abs=3)
    node.SetSliceOffset(node.GetSliceOffset() + 50)
    review.ui.worstPlaceButton.click()
    assert node.GetSliceOffset() == pytest.approx(place[2], abs=3)


def test_keys_click_the_buttons_unless_something_is_edited(review, desk):
    keys = {shortcut.key.toString(): shortcut for shortcut in review.ui.resultsTable.findChildren(qt.QShortcut)}
    first, second = review.model.caseIds()[:2]
    desk.session.show(first)
    keys["R"].activated.emit()
    assert review.decision(first).verdict == "rejected"
    assert desk.session.case_id == second
    keys["Z"].activated.emit()
    assert desk.session.case_id == first
    assert review.decision(first) is None
    keys["2"].activated.emit()
    assert not review.ui.showPrototypeBox.checked
    assert all(shortcut.enabled for shortcut in keys.values())
    desk.session.set_facts(editing=True)
    assert not any(shortcut.enabled for shortcut in keys.values())


def test_a_heatmap_comes_with_its_scale(review, desk):
    desk.session.show(FIRST)
    assert review.ui.heatmapScale.isHidden()
    review.ui.heatmapBox.setCurrentIndex(review.ui.heatmapBox.findData("disagreement"))
    assert desk.scene.nodes.disagreement is not None
    assert not review.ui.heatmapScale.isHidden()
    picture = review.ui.heatmapScale.pixmap.toImage()
    colors = [picture.pixelColor(x, 10) for x in (32, 181)]
    assert [(color.red(), color.green(), color.blue()) for color in colors] == [heatColor(0.0), heatColor(1.0)]


def test_the_first_result_is_shown_when_a_model_was_applied(panel, spin):
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    make_round(panel.session.study, "002-predict", {"case03": 0.2})
    panel.session.show("case00")
    panel.session.refresh_rounds()
    panel.session.choose_round("002-predict")
    panel.sections["Export"].reviewWanted.emit()
    spin(lambda: panel.session.case_id == "case03")
    assert not panel.folds["Review"].collapsed


def test_results_that_are_not_read_yet_cannot_be_decided(panel, spin):
    ui = panel.sections["Review"].ui
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    panel.session.show("case02")
    spin(lambda: ui.acceptButton.enabled)
    make_round(panel.session.study, "002-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    for button in (ui.correctButton, ui.acceptButton, ui.rejectButton):
        button.click()
        assert not button.enabled and button.toolTip
    spin(lambda: ui.acceptButton.enabled)
    assert panel.session.case_id == "case02" and panel.session.study.case("case02").annotation is None

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role, Structure
from SemiSupervisedSegLib.study.store import load_study, study_lock
from SemiSupervisedSegLib.study.structures import add_structure, replace_structures

from ...studies import STRUCTURES, write_annotation


def paint(part: Any, name: str, where: tuple[slice, slice, slice]) -> None:
    """As a brush does: voxels (x, y, z from the right-handed node) into one segment."""
    node = part._context.editing.editor.node
    volume = part.annotationEditor._scene.nodes.volume
    mask = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    mask[where] = 1
    segment = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)


def pane(part: Any) -> Any:
    return part._context.editing


def annotate(part: Any, caseId: str) -> None:
    part.table.select([caseId])
    part.ui.annotateButton.click()


def classes_of(study: Any, caseId: str) -> np.ndarray:
    case = study.case(caseId)
    image = read_image(study.image_path(case))
    return sitk.GetArrayFromImage(read_annotation(study.annotation_path(case), study.structures, image))


@pytest.fixture
def painted(opened: Any) -> Any:
    annotate(opened, "case02")
    paint(opened, "liver", (slice(1, 3), slice(2, 5), slice(2, 6)))
    return opened


def test_annotate_prepares_all_structures_in_the_embedded_editor(opened):
    annotate(opened, "case02")
    node = pane(opened).editor.node
    names = [node.GetSegmentation().GetNthSegment(index).GetName() for index in range(2)]
    assert names == ["liver", "tumor"]
    assert opened._session.case_id == "case02"
    assert not pane(opened).ui.editingPane.isHidden()
    assert "case02" in pane(opened).ui.editorLabel.text
    editor = pane(opened).ui.editorContainer.findChildren(slicer.qMRMLSegmentEditorWidget)[0]
    assert editor.segmentationNode() is node
    assert editor.sourceVolumeNode() is opened.annotationEditor._scene.nodes.volume


def test_saving_makes_the_case_labeled(painted):
    pane(painted).ui.saveEditButton.click()
    study = load_study(painted._session.folder)
    case = study.case("case02")
    assert (case.role, case.annotation) == (Role.LABELED, "annotations/case02.seg.nrrd")
    assert (classes_of(study, "case02") == 1).sum() == 2 * 3 * 4
    assert pane(painted).ui.editingPane.isHidden()
    assert not painted._session.facts().editing
    assert painted.model.data(painted.model.index(2, 3)) == "yes"


def test_an_older_annotation_is_kept_and_a_validation_case_stays_one(opened):
    folder = opened._session.folder
    before = (folder / "annotations" / "case01.seg.nrrd").read_bytes()
    opened.table.select(["case01"])
    opened.ui.roleBox.setCurrentIndex(opened.ui.roleBox.findData("validation"))
    opened.ui.setRoleButton.click()
    annotate(opened, "case01")
    paint(opened, "tumor", (slice(4, 6), slice(0, 2), slice(0, 2)))
    pane(opened).ui.saveEditButton.click()
    study = load_study(folder)
    case = study.case("case01")
    assert (case.role, case.annotation) == (Role.VALIDATION, "annotations/case01-2.seg.nrrd")
    assert (folder / "annotations" / "case01.seg.nrrd").read_bytes() == before
    assert (classes_of(study, "case01") == 2).sum() == 8


def test_an_empty_annotation_is_not_saved_and_editing_goes_on(opened, dialogs):
    annotate(opened, "case03")
    pane(opened).ui.saveEditButton.click()
    assert "empty" in dialogs.messages[0]
    assert opened._session.facts().editing
    assert load_study(opened._session.folder).case("case03").annotation is None


def test_a_failed_save_leaves_no_file_and_can_be_repeated(painted, dialogs):
    folder = painted._session.folder
    with study_lock(folder):
        pane(painted).ui.saveEditButton.click()
    assert "in use" in dialogs.messages[0]
    assert not (folder / "annotations" / "case02.seg.nrrd").exists()
    pane(painted).ui.saveEditButton.click()
    assert load_study(folder).case("case02").role is Role.LABELED


def test_when_the_study_cannot_be_written_the_drawing_is_not_taken_for_saved(painted, dialogs, monkeypatch):
    def refuse(study):
        raise UserError("There is no space left.")

    with monkeypatch.context() as patch:
        patch.setattr("SemiSupervisedSegLib.panel.session.save_study", refuse)
        pane(painted).ui.saveEditButton.click()
    assert "no space" in dialogs.messages[0]
    assert not list((painted._session.folder / "annotations").glob("case02*"))
    dialogs.answer("confirm", True)
    painted.ui.casesTable.activated.emit(painted.model.index(0, 0))
    assert "not saved" in dialogs.asked[0]
    annotate(painted, "case02")
    pane(painted).ui.saveEditButton.click()
    assert (classes_of(load_study(painted._session.folder), "case02") == 1).sum() == 24


def test_a_failed_save_leaves_the_annotations_of_other_cases(painted, dialogs):
    pane(painted).ui.saveEditButton.click()
    annotate(painted, "case03")
    paint(painted, "liver", (slice(1, 3), slice(2, 5), slice(2, 6)))
    with study_lock(painted._session.folder):
        pane(painted).ui.saveEditButton.click()
    assert "in use" in dialogs.messages[0]
    assert (classes_of(load_study(painted._session.folder), "case02") == 1).sum() == 24


def test_going_to_another_case_asks_and_what_was_drawn_waits(painted, dialogs):
    dialogs.answer("confirm", False, True)
    painted.ui.casesTable.activated.emit(painted.model.index(0, 0))
    assert painted._session.case_id == "case02"
    painted.ui.casesTable.activated.emit(painted.model.index(0, 0))
    assert painted._session.case_id == "case00"
    assert pane(painted).ui.editingPane.isHidden()
    annotate(painted, "case02")
    pane(painted).ui.saveEditButton.click()
    assert (classes_of(load_study(painted._session.folder), "case02") == 1).sum() == 24


def test_closing_the_editor_asks_before_it_discards(painted, dialogs):
    dialogs.answer("confirm", False, True)
    pane(painted).ui.discardEditButton.click()
    assert painted._session.facts().editing
    pane(painted).ui.discardEditButton.click()
    assert not painted._session.facts().editing
    assert not painted.annotationEditor._scene.hasUnsavedAnnotation()


def test_closing_what_is_saved_asks_nothing(opened):
    annotate(opened, "case00")
    pane(opened).ui.discardEditButton.click()
    assert not opened._session.facts().editing


def test_a_missing_image_cannot_be_annotated(opened, dialogs):
    (opened._session.folder / "images" / "case03.nrrd").unlink()
    annotate(opened, "case03")
    assert "case03.nrrd" in dialogs.messages[0]
    assert not opened._session.facts().editing


def test_a_file_becomes_the_annotation_after_a_look_into_it(opened, dialogs, tmp_path):
    folder = opened._session.folder
    opened.table.select(["case02"])
    wrong = write_annotation(tmp_path / "wrong.seg.nrrd", (Structure("kidney", 1, (1, 2, 3)), STRUCTURES[1]))
    good = write_annotation(tmp_path / "good.seg.nrrd")
    dialogs.answer("chooseFiles", [str(wrong)], [str(good)])
    opened.ui.annotationFileButton.click()
    assert "kidney" in dialogs.messages[0]
    assert load_study(folder).case("case02").annotation is None
    opened.ui.annotationFileButton.click()
    study = load_study(folder)
    case = study.case("case02")
    assert (case.role, study.annotation_path(case)) == (Role.LABELED, good)


@pytest.mark.parametrize(("answer", "expected"), [(True, None), (False, ("liver", "tumor"))])
def test_a_case_from_before_a_new_structure_asks_whether_it_was_looked_for(opened, dialogs, answer, expected):
    opened._session.edit_study(lambda study: replace_structures(study, add_structure(study.structures, "vessel")))
    annotate(opened, "case00")
    paint(opened, "tumor", (slice(4, 6), slice(0, 2), slice(0, 2)))
    dialogs.answer("confirm", answer)
    pane(opened).ui.saveEditButton.click()
    assert "vessel" in dialogs.asked[0]
    assert load_study(opened._session.folder).case("case00").structures == expected


def test_a_correction_under_review_comes_first(opened):
    opened.table.select(["case02"])
    opened._session.set_facts(editing=True)
    assert not opened.ui.annotateButton.enabled
    assert "Review" in opened.ui.annotateButton.toolTip


def test_annotate_again_while_annotating_goes_on(painted):
    painted.ui.annotateButton.click()
    pane(painted).ui.saveEditButton.click()
    assert (classes_of(load_study(painted._session.folder), "case02") == 1).sum() == 24

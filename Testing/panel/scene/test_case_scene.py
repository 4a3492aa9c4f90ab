from __future__ import annotations

import os
import time

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.errors import UserError

from .builders import add_segmentation, classes_of, mask_of, paint, write_prediction


def names(className="vtkMRMLNode"):
    return {node.GetName() for node in slicer.util.getNodesByClass(className)}


def tree():
    """Names of the subject hierarchy as a dictionary from folder to its items in order."""
    node = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

    def children(item):
        found = vtk.vtkIdList()
        node.GetItemChildren(item, found)
        return [found.GetId(number) for number in range(found.GetNumberOfIds())]

    tops = children(node.GetSceneItemID())
    return {node.GetItemName(top): [node.GetItemName(item) for item in children(top)] for top in tops}


def test_a_case_is_shown_with_all_its_parts_in_a_folder_in_order(case_scene, study, predict):
    case = study.cases[0]
    case_scene.setHeatmap("uncertainty", 0.5)
    nodes = case_scene.showCase(study, case, predict(case))
    assert tree() == {
        "case-001": [
            "case-001",
            "case-001 annotation",
            "case-001 final prediction",
            "case-001 prototype-based prediction",
            "case-001 uncertainty",
        ]
    }
    for kind, shift in (("annotation", 0), ("final", 3), ("prototype", -3)):
        expected = np.roll(classes_of(study, case), shift, 1)
        for index, structure in enumerate(study.structures, 1):
            assert np.array_equal(mask_of(getattr(nodes, kind), structure.name, nodes.volume), expected == index)


def test_the_next_case_takes_the_place_of_an_unchanged_one(case_scene, study, predict):
    first, second = study.cases[:2]
    predict(first), predict(second)
    case_scene.showCase(study, first, predict(first))
    count = slicer.mrmlScene.GetNumberOfNodes()
    case_scene.showCase(study, second, predict(second))
    assert list(tree()) == ["case-002"]
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    assert case_scene.nodes.case_id == "case-002"


def test_showing_the_same_case_again_leaves_its_nodes(case_scene, study, predict):
    case = study.cases[0]
    folder = predict(case)
    first = case_scene.showCase(study, case, folder)
    assert case_scene.showCase(study, case, folder) == first


def test_a_case_without_annotation_and_predictions_has_only_its_image(case_scene, study):
    nodes = case_scene.showCase(study, study.cases[2])
    assert nodes.volume is not None
    assert (nodes.annotation, nodes.final, nodes.prototype, nodes.probability) == (None,) * 4


def test_predictions_of_another_round_come_in_place_and_go_when_there_are_none(case_scene, study, predict):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case, final=3, number=1))
    again = case_scene.showCase(study, case, predict(case, final=1, number=2))
    assert again.final is nodes.final
    expected = np.roll(classes_of(study, case), 1, 1) == 1
    assert np.array_equal(mask_of(again.final, "chamber", again.volume), expected)
    assert case_scene.showCase(study, case, None).final is None


def test_changed_annotations_wait_hidden_and_come_back(case_scene, study):
    first, second = study.cases[:2]
    nodes = case_scene.showCase(study, first)
    node = nodes.annotation
    mask = paint(node, "wall", nodes.volume)
    assert case_scene.hasUnsavedAnnotation()
    case_scene.showCase(study, second)
    assert not case_scene.hasUnsavedAnnotation()
    assert case_scene.unsavedCases(study) == ["case-001"]
    assert case_scene.waitingCases() == [(str(study.folder), "case-001")]
    assert not node.GetDisplayVisibility()
    case_scene.clear()
    assert case_scene.unsavedCases(study) == ["case-001"]
    assert case_scene.waitingCases() == [(str(study.folder), "case-001")]
    back = case_scene.showCase(study, first)
    assert back.annotation is node
    assert case_scene.unsavedCases(study) == ["case-001"]
    assert case_scene.waitingCases() == []
    assert node.GetDisplayVisibility()
    assert np.array_equal(mask_of(node, "wall", back.volume), mask)


def test_renaming_a_segment_is_a_change_and_undoing_it_is_none(case_scene, study):
    node = case_scene.showCase(study, study.cases[0]).annotation
    segment = node.GetSegmentation().GetNthSegment(0)
    segment.SetName("other")
    assert case_scene.hasUnsavedAnnotation()
    segment.SetName("chamber")
    assert not case_scene.hasUnsavedAnnotation()


def test_looking_at_a_segmentation_in_3d_is_no_change(case_scene, study):
    node = case_scene.showCase(study, study.cases[0]).annotation
    assert node.CreateClosedSurfaceRepresentation()
    assert not case_scene.hasUnsavedAnnotation()


def test_a_prediction_that_the_user_changed_becomes_the_users_own(case_scene, study, predict):
    first, second = study.cases[:2]
    folder = predict(first)
    nodes = case_scene.showCase(study, first, folder)
    mask = paint(nodes.final, "wall", nodes.volume)
    mine = nodes.final
    case_scene.showCase(study, second)
    fresh = case_scene.showCase(study, first, folder)
    assert fresh.final is not mine
    assert mine.GetScene() is not None
    assert np.array_equal(mask_of(mine, "wall", fresh.volume), mask)
    case_scene.clear()
    assert mine.GetScene() is not None


def test_the_users_own_nodes_are_never_touched(case_scene, study, predict):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case))
    own = add_segmentation(nodes.volume, {"chamber": np.ones((6, 32, 32), bool)}, "case-001 annotation")
    volume = slicer.util.addVolumeFromArray(np.zeros((3, 3, 3), np.int16), name="case-001")
    case_scene.prepareCorrection(study, case, "final")
    case_scene.showCase(study, study.cases[1])
    case_scene.clear()
    assert own.GetScene() is not None
    assert volume.GetScene() is not None
    assert names("vtkMRMLScalarVolumeNode") == {"case-001"}


def test_previews_update_the_nodes_in_place(case_scene, study, tmp_path):
    case = study.cases[0]
    case_scene.showCase(study, case)
    files = write_prediction(study, case, tmp_path / "previews", 1, 2)
    files = {kind: files[kind] for kind in ("final", "prototype")}
    case_scene.refreshPredictions(files, 200)
    nodes = case_scene.nodes
    assert nodes.final.GetName() == "case-001 final prediction (step 200)"
    nodes.final.GetDisplayNode().SetSegmentVisibility(nodes.final.GetSegmentation().GetNthSegmentID(1), False)
    write_prediction(study, case, tmp_path / "previews", 4, 5)
    case_scene.refreshPredictions(files, 400)
    assert case_scene.nodes == nodes
    assert nodes.final.GetName() == "case-001 final prediction (step 400)"
    for kind, shift in (("final", 4), ("prototype", 5)):
        expected = np.roll(classes_of(study, case), shift, 1) == 2
        assert np.array_equal(mask_of(getattr(nodes, kind), "wall", nodes.volume), expected)
    segmentId = nodes.final.GetSegmentation().GetNthSegmentID(1)
    assert not nodes.final.GetDisplayNode().GetSegmentVisibility(segmentId)


def test_an_empty_preview_is_shown_as_nothing(case_scene, study, tmp_path):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case)
    image = sitk.ReadImage(str(study.image_path(case))) * 0
    write_segmentation(tmp_path / "final.seg.nrrd", sitk.Cast(image, sitk.sitkUInt8), study.structures)
    case_scene.refreshPredictions({"final": tmp_path / "final.seg.nrrd"}, 1)
    assert not mask_of(case_scene.nodes.final, "chamber", nodes.volume).any()


def test_a_bad_part_is_reported_and_the_others_are_shown(case_scene, study, predict):
    case = study.cases[0]
    folder = predict(case)
    study.annotation_path(case).write_bytes(b"NRRD0005\nnothing")
    with pytest.raises(UserError, match="case-001"):
        case_scene.showCase(study, case, folder)
    assert case_scene.nodes.volume is not None
    assert case_scene.nodes.final is not None
    assert case_scene.nodes.annotation is None


def test_a_missing_image_is_reported_in_words(case_scene, study):
    study.image_path(study.cases[0]).unlink()
    with pytest.raises(UserError, match=r"case-001\.nrrd"):
        case_scene.showCase(study, study.cases[0])
    assert case_scene.nodes.volume is None


def test_nodes_that_the_user_deleted_are_made_again(case_scene, study, predict):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case))
    slicer.mrmlScene.RemoveNode(nodes.final)
    slicer.mrmlScene.RemoveNode(nodes.volume)
    assert case_scene.nodes.final is None
    nodes = case_scene.showCase(study, case, predict(case))
    assert nodes.final is not None
    assert nodes.volume is not None


def test_closing_the_scene_leaves_an_adapter_that_works(case_scene, study, predict):
    case = study.cases[0]
    case_scene.showCase(study, case, predict(case))
    slicer.mrmlScene.Clear(0)
    assert case_scene.nodes.volume is None
    assert not case_scene.hasUnsavedAnnotation()
    case_scene.setHeatmap("probability", 0.5)
    case_scene.setLayout("side_by_side")
    case_scene.setLayout("overlaid")
    case_scene.clear()
    assert case_scene.nodes is None
    assert case_scene.showCase(study, case, predict(case)).probability is not None


def test_unsaved_changes_stay_when_another_program_replaces_the_file(case_scene, study):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case)
    mask = paint(nodes.annotation, "wall", nodes.volume)
    path = study.annotation_path(case)
    path.write_bytes(study.annotation_path(study.cases[1]).read_bytes())
    later = time.time_ns() + 10**9
    os.utime(path, ns=(later, later))
    case_scene.showCase(study, case)
    assert case_scene.nodes.annotation is nodes.annotation
    assert np.array_equal(mask_of(nodes.annotation, "wall", nodes.volume), mask)
    assert case_scene.hasUnsavedAnnotation()


def test_the_nodes_of_a_case_show_the_next_one_as_new_ones_would(case_scene, study, predict):
    first, second = study.cases[:2]
    folder = predict(first)
    predict(second)
    nodes = case_scene.showCase(study, first, folder)
    segment = nodes.final.GetSegmentation().GetNthSegmentID(1)
    nodes.final.GetDisplayNode().SetSegmentVisibility(segment, False)
    nodes.final.GetSegmentation().GetSegment(segment).SetColor(0, 0, 0)
    nodes.final.AddDefaultStorageNode()
    reused = case_scene.showCase(study, second, folder)
    assert (reused.volume, reused.final) == (nodes.volume, nodes.final)
    assert reused.volume.GetName() == "case-002"
    assert reused.final.GetDisplayNode().GetSegmentVisibility(segment)
    color = [round(255 * part) for part in reused.final.GetSegmentation().GetSegment(segment).GetColor()]
    assert tuple(color) == study.structures[1].color
    assert reused.final.GetStorageNode() is None
    expected = np.roll(classes_of(study, second), 3, 1) == 2
    assert np.array_equal(mask_of(reused.final, "wall", reused.volume), expected)
    assert not case_scene.unsavedCases(study)


def test_a_saved_scene_knows_what_was_changed(case_scene, study, predict, tmp_path):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case))
    case_scene.rememberInScene()
    for node in (nodes.volume, nodes.annotation, nodes.final):
        assert node.GetAttribute("SemiSupervisedSeg.Saved")
    paint(nodes.final, "wall", nodes.volume)
    # As after loading, when nothing is known of when nodes were modified.
    other = type(case_scene)()
    other.showCase(study, study.cases[1])
    assert nodes.volume.GetName() == "case-002"
    assert nodes.final.GetScene() is not None
    assert nodes.final.GetAttribute("SemiSupervisedSeg.Kind") is None

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.scene.segments import SURFACE
from SemiSupervisedSegLib.study.errors import UserError

from .builders import classes_of, mask_of, paint, write_prediction


def test_annotating_starts_with_all_structures_and_nothing_unsaved(case_scene, study):
    case = study.cases[2]
    node = case_scene.prepareAnnotation(study, case)
    segments = [node.GetSegmentation().GetNthSegment(index) for index in range(2)]
    assert [segment.GetName() for segment in segments] == ["chamber", "wall"]
    assert np.allclose(segments[0].GetColor(), np.array(study.structures[0].color) / 255)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is case_scene.nodes.volume
    assert not case_scene.hasUnsavedAnnotation()
    with pytest.raises(UserError, match="empty"):
        case_scene.saveAnnotation(study, case, study.folder / "annotations" / "new.seg.nrrd")


@pytest.mark.parametrize("number", [0, 2, 3])
def test_what_is_painted_is_saved_on_the_grid_of_the_file(case_scene, study, number, tmp_path):
    case = replace(study.cases[number], annotation=None)
    node = case_scene.prepareAnnotation(study, case)
    volume = case_scene.nodes.volume
    values = slicer.util.arrayFromVolume(volume)
    bright = values > np.percentile(values, 95)
    segment = node.GetSegmentation().GetSegmentIdBySegmentName("wall")
    slicer.util.updateSegmentBinaryLabelmapFromArray(bright.astype(np.uint8), node, segment, volume)
    assert case_scene.hasUnsavedAnnotation()
    case_scene.saveAnnotation(study, case, tmp_path / "a.seg.nrrd")
    assert not case_scene.hasUnsavedAnnotation()
    file = sitk.GetArrayFromImage(sitk.ReadImage(str(study.image_path(case))))
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd") == 2, file > np.percentile(values, 95))


def test_a_correction_is_a_copy_and_counts_as_unsaved(case_scene, study, predict, tmp_path):
    case = study.cases[0]
    case_scene.showCase(study, case, predict(case))
    node = case_scene.prepareCorrection(study, case, "prototype")
    nodes = case_scene.nodes
    assert node is nodes.annotation
    assert case_scene.hasUnsavedAnnotation()
    paint(node, "chamber", nodes.volume)
    expected = np.roll(classes_of(study, case), -3, 1) == 1
    assert np.array_equal(mask_of(nodes.prototype, "chamber", nodes.volume), expected)
    with pytest.raises(UserError, match="not saved"):
        case_scene.prepareCorrection(study, case, "final")
    case_scene.discardAnnotation()
    assert np.array_equal(mask_of(case_scene.nodes.annotation, "wall", nodes.volume), classes_of(study, case) == 2)
    case_scene.prepareCorrection(study, case, "final")
    case_scene.saveAnnotation(study, case, tmp_path / "a.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd"), np.roll(classes_of(study, case), 3, 1))


def test_correcting_what_was_not_predicted_is_refused(case_scene, study):
    case_scene.showCase(study, study.cases[0])
    with pytest.raises(UserError, match="no such prediction"):
        case_scene.prepareCorrection(study, study.cases[0], "final")
    assert case_scene.nodes.annotation is not None


def test_an_annotation_saved_elsewhere_is_not_read_again_as_the_cases_own(case_scene, study, predict):
    case = study.cases[2]
    case_scene.showCase(study, case, predict(case))
    node = case_scene.prepareCorrection(study, case, "final")
    target = study.folder / "annotations" / "new.seg.nrrd"
    case_scene.saveAnnotation(study, case, target)
    accepted = replace(case, annotation="annotations/new.seg.nrrd")
    assert case_scene.showCase(study, accepted, predict(case)).annotation is node


def test_an_annotation_that_another_program_replaced_is_read_again(case_scene, study, tmp_path):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case)
    path = study.annotation_path(case)
    path.write_bytes(study.annotation_path(study.cases[1]).read_bytes())
    later = time.time_ns() + 10**9
    os.utime(path, ns=(later, later))
    case_scene.showCase(study, case)
    assert case_scene.nodes.annotation is nodes.annotation
    assert np.array_equal(mask_of(nodes.annotation, "wall", nodes.volume), classes_of(study, case) == 2)


def test_an_annotation_whose_file_is_gone_is_the_only_copy_and_stays(case_scene, study):
    first, second = study.cases[:2]
    node = case_scene.showCase(study, first).annotation
    study.annotation_path(first).unlink()
    case_scene.showCase(study, second)
    assert node.GetScene() is not None
    assert case_scene.unsavedCases(study) == ["case-001"]


def test_predictions_are_hidden_while_something_is_edited_and_come_back(case_scene, study, predict):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case))
    case_scene.prepareCorrection(study, case, "final")
    shown = [node.GetDisplayVisibility() for node in (nodes.final, nodes.prototype, case_scene.nodes.annotation)]
    assert shown == [0, 0, 1]
    case_scene.showResultsWhileEditing(True)
    assert nodes.final.GetDisplayVisibility()
    assert nodes.prototype.GetDisplayVisibility()
    case_scene.showResultsWhileEditing(False)
    case_scene.endEditing()
    assert nodes.final.GetDisplayVisibility()
    assert nodes.prototype.GetDisplayVisibility()


def test_the_final_result_in_3d_and_off_again(case_scene, study, predict):
    first, second = study.cases[:2]
    shown = case_scene.showCase(study, first, predict(first)).final

    def hasSurface(node):
        return node.GetSegmentation().ContainsRepresentation(SURFACE)

    assert not hasSurface(shown)
    case_scene.setVisible("in_3d", True)
    assert hasSurface(shown) and shown.GetDisplayNode().GetVisibility3D()
    after = case_scene.showCase(study, second, predict(second)).final
    assert hasSurface(after), "it stays on for the next case"
    case_scene.setVisible("in_3d", False)
    assert not hasSurface(after)


def test_a_surface_that_the_user_made_stays(case_scene, study, predict):
    case = study.cases[0]
    node = case_scene.showCase(study, case, predict(case)).final
    node.CreateClosedSurfaceRepresentation()
    case_scene.setVisible("prototype", False)
    assert node.GetSegmentation().ContainsRepresentation(SURFACE)


def test_what_the_user_has_switched_off_stays_off_after_editing(case_scene, study, predict):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case))
    case_scene.setVisible("prototype", False)
    case_scene.prepareCorrection(study, case, "final")
    case_scene.endEditing()
    assert nodes.final.GetDisplayVisibility()
    assert not nodes.prototype.GetDisplayVisibility()


@pytest.mark.parametrize("number", [0, 2, 3])
def test_what_a_correction_changed_is_measured_on_any_grid_and_with_any_labels(case_scene, study, number):
    labels = [replace(structure, label=40 - 7 * structure.label) for structure in study.structures]
    study, case = replace(study, structures=tuple(labels)), replace(study.cases[number], annotation=None)
    folder = JobFolder(study.folder / "rounds" / "001-cu2l")
    write_prediction(study, case, folder.predictions, 3, -3)
    case_scene.showCase(study, case, folder)
    node = case_scene.prepareCorrection(study, case, "prototype")
    target = study.folder / "annotations" / "new.seg.nrrd"
    assert case_scene.saveAnnotation(study, case, target) == 0
    before = classes_of(study, case, target)
    case_scene.discardAnnotation()
    node = case_scene.prepareCorrection(study, case, "prototype")
    paint(node, "chamber", case_scene.nodes.volume)
    spacing = sitk.ReadImage(str(target)).GetSpacing()
    changed = case_scene.saveAnnotation(study, case, target)
    voxels = np.count_nonzero(classes_of(study, case, target) != before)
    assert voxels > 0
    assert changed == pytest.approx(voxels * np.prod(spacing) / 1000)
    # What is read from a file is no copy, also in a node that was one.
    case_scene.showCase(study, study.cases[1])
    case_scene.prepareAnnotation(study, study.cases[1])
    assert case_scene.saveAnnotation(study, study.cases[1], target) is None

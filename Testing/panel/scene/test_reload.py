"""A scene that was saved as .mrb and opened again goes on as it was."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from SemiSupervisedSegLib.panel.scene.case_scene import CaseScene
from SemiSupervisedSegLib.panel.scene.tags import nodesOf

from ...slicer_stand_in.scene import saveAndReload
from .builders import classes_of, mask_of, paint


@pytest.mark.parametrize("number", [0, 2])
def test_nodes_are_known_again_and_not_read_anew(case_scene, study, predict, tmp_path, number):
    case = study.cases[number]
    folder = predict(case)
    case_scene.setHeatmap("probability", 0.5)
    case_scene.showCase(study, case, folder)
    saveAndReload(str(tmp_path / "scene.mrb"))
    reloaded = nodesOf(study.folder, case.id)
    assert None not in (reloaded.volume, reloaded.final, reloaded.prototype, reloaded.probability)
    fresh = CaseScene()
    fresh.setHeatmap("probability", 0.5)
    assert fresh.showCase(study, case, folder) == reloaded
    assert not fresh.hasUnsavedAnnotation()
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 3 if case.annotation else 2
    fresh.clear()
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_an_unsaved_annotation_in_a_saved_scene_is_still_unsaved(case_scene, study, tmp_path):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case)
    mask = paint(nodes.annotation, "wall", nodes.volume)
    saveAndReload(str(tmp_path / "scene.mrb"))
    fresh = CaseScene()
    nodes = fresh.showCase(study, case)
    assert fresh.hasUnsavedAnnotation()
    assert np.array_equal(mask_of(nodes.annotation, "wall", nodes.volume), mask)
    fresh.saveAnnotation(study, case, tmp_path / "a.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd") == 2, mask)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_saved_annotation_in_a_saved_scene_is_saved(case_scene, study, tmp_path, number):
    case = study.cases[number]
    node = case_scene.prepareAnnotation(study, case)
    for name, corner in (("wall", (0, 0, 0)), ("chamber", (3, 4, 5))):
        paint(node, name, case_scene.nodes.volume, corner)
    case_scene.saveAnnotation(study, case, tmp_path / "before.seg.nrrd")
    saveAndReload(str(tmp_path / "scene.mrb"))
    fresh = CaseScene()
    fresh.showCase(study, study.cases[1])
    assert fresh.unsavedCases(study) == []
    fresh.showCase(study, case)
    assert not fresh.hasUnsavedAnnotation()


def test_the_styles_are_those_from_before(case_scene, study, predict, tmp_path, slice_views):
    case = study.cases[0]
    folder = predict(case)
    case_scene.setHeatmap("uncertainty", 0.4)
    case_scene.showCase(study, case, folder)
    before = slice_views["Red"].pixels().astype(int)
    saveAndReload(str(tmp_path / "scene.mrb"))
    fresh = CaseScene()
    fresh.setHeatmap("uncertainty", 0.4)
    fresh.showCase(study, case, folder)
    after = slice_views["Red"].pixels().astype(int)
    assert (before.max(-1) - before.min(-1) > 30).sum() > 300
    assert (np.abs(after - before).max(-1) > 12).mean() < 0.01


def test_a_scene_with_a_heatmap_opens_in_its_colours_without_the_module(case_scene, study, predict, tmp_path):
    case_scene.setHeatmap("uncertainty", 0.4)
    display = case_scene.showCase(study, study.cases[0], predict(study.cases[0])).uncertainty.GetDisplayNode()
    before = [display.GetColorNode().GetLookupTable().GetTableValue(index) for index in (10, 128, 250)]
    saveAndReload(str(tmp_path / "scene.mrb"))
    display = nodesOf(study.folder, study.cases[0].id).uncertainty.GetDisplayNode()
    assert [display.GetColorNode().GetLookupTable().GetTableValue(index) for index in (10, 128, 250)] == before

"""Files of the study and of Slicer's own storage node are the same to both."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.panel.scene.annotations import exportSegmentation
from SemiSupervisedSegLib.panel.scene.segments import segmentsOf, terminologyOf
from SemiSupervisedSegLib.study.annotations import read_annotation, structures_of, write_segmentation
from SemiSupervisedSegLib.study.images import read_image

from .builders import TERMINOLOGY, classes_of, like, mask_of, paint, some_classes


def read_by_slicer(path):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def write_by_slicer(node, path, crop):
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetCropToMinimumExtent(crop)
    storage.SetFileName(str(path))
    assert storage.WriteData(node)


def with_terminology(study):
    structures = (dataclasses.replace(study.structures[0], terminology=TERMINOLOGY, label=7), *study.structures[1:])
    return dataclasses.replace(study, structures=structures)


@pytest.mark.parametrize("number", range(4))
def test_slicer_reads_what_the_study_writes(case_scene, study, tmp_path, number):
    study = with_terminology(study)
    case = dataclasses.replace(study.cases[number], annotation=None)
    volume = case_scene.showCase(study, case).volume
    image = read_image(study.image_path(case))
    classes = some_classes(study, case)
    write_segmentation(tmp_path / "a.seg.nrrd", like(classes, image), study.structures)
    node = read_by_slicer(tmp_path / "a.seg.nrrd")
    segments = [segment for _, segment in segmentsOf(node)]
    assert [segment.GetName() for segment in segments] == [structure.name for structure in study.structures]
    for segment, structure in zip(segments, study.structures, strict=True):
        assert np.allclose(segment.GetColor(), np.array(structure.color) / 255, atol=1e-5)
        assert segment.GetLabelValue() == structure.label
    assert terminologyOf(segments[0]) == TERMINOLOGY
    write_segmentation(tmp_path / "b.seg.nrrd", like(classes, image), study.structures)
    shown = case_scene.showCase(study, dataclasses.replace(case, annotation=str(tmp_path / "b.seg.nrrd"))).annotation
    for index, structure in enumerate(study.structures, 1):
        theirs, ours = (mask_of(item, structure.name, volume) for item in (node, shown))
        assert np.array_equal(theirs, ours)
        assert theirs.sum() == (classes == index).sum()


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_the_study_reads_what_slicer_writes(case_scene, study, tmp_path, number, crop):
    study = with_terminology(study)
    case = dataclasses.replace(study.cases[number], annotation=None)
    image = read_image(study.image_path(case))
    classes = some_classes(study, case)
    write_segmentation(tmp_path / "a.seg.nrrd", like(classes, image), study.structures)
    case = dataclasses.replace(case, annotation=str(tmp_path / "a.seg.nrrd"))
    node = case_scene.showCase(study, case).annotation
    write_by_slicer(node, tmp_path / "theirs.seg.nrrd", crop)
    assert np.array_equal(classes_of(study, case, tmp_path / "theirs.seg.nrrd"), classes)
    assert structures_of(tmp_path / "theirs.seg.nrrd")[0] == study.structures[0]


def test_overlapping_segments_that_slicer_wrote_are_refused_by_the_study(case_scene, study, tmp_path):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case)
    wall = mask_of(nodes.annotation, "wall", nodes.volume)
    paint(nodes.annotation, "chamber", nodes.volume, tuple(np.argwhere(wall)[0]), 1)
    write_by_slicer(nodes.annotation, tmp_path / "a.seg.nrrd", False)
    with pytest.raises(Exception, match="overlap"):
        read_annotation(tmp_path / "a.seg.nrrd", study.structures, read_image(study.image_path(case)))


def test_what_slicer_read_is_exported_unchanged(case_scene, study, tmp_path):
    for case in study.cases[:2]:
        node = read_by_slicer(study.annotation_path(case))
        exportSegmentation(node, study.structures, study.image_path(case), tmp_path / "a.seg.nrrd")
        assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd"), classes_of(study, case))
        ours, theirs = (sitk.ReadImage(str(path)) for path in (tmp_path / "a.seg.nrrd", study.annotation_path(case)))
        assert ours.GetDirection() == pytest.approx(theirs.GetDirection())

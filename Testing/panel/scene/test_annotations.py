from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from SemiSupervisedSegLib.panel.scene.annotations import exportSegmentation
from SemiSupervisedSegLib.panel.scene.segments import segmentsOf, structuresFromSegmentation
from SemiSupervisedSegLib.study.annotations import read_annotation, structures_of, write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import Geometry
from SemiSupervisedSegLib.study.images import read_image, write_image
from SemiSupervisedSegLib.study.model import Structure

from .builders import TERMINOLOGY, add_segmentation, classes_of, like, mask_of, paint, some_classes


def shown(case_scene, study, number):
    case = study.cases[number]
    return case, case_scene.showCase(study, case)


@pytest.mark.parametrize("number", range(4))
def test_an_annotation_comes_back_voxel_by_voxel_on_the_images_own_grid(case_scene, study, tmp_path, number):
    case = study.cases[number]
    image = read_image(study.image_path(case))
    classes = some_classes(study, case)
    write_segmentation(tmp_path / "in.seg.nrrd", like(classes, image), study.structures)
    case = dataclasses.replace(case, annotation=str(tmp_path / "in.seg.nrrd"))
    case_scene.showCase(study, case)
    case_scene.saveAnnotation(study, case, tmp_path / "out.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "out.seg.nrrd"), classes)
    assert Geometry.of(sitk.ReadImage(str(tmp_path / "out.seg.nrrd"))).size == image.GetSize()
    assert structures_of(tmp_path / "out.seg.nrrd")[0].color == study.structures[0].color


@pytest.mark.parametrize("number", [0, 2, 3])
def test_segments_lie_where_the_annotation_says_on_the_shown_volume(case_scene, study, tmp_path, number):
    case = study.cases[number]
    image = read_image(study.image_path(case))
    marked = sitk.GetArrayFromImage(image)
    classes = np.zeros(marked.shape, np.uint8)
    classes[1, 5:9, 7:9], classes[4, 20:22, 3:9] = 1, 2
    marked[classes == 1], marked[classes == 2] = 11111, 22222
    write_image(tmp_path / "marked.nrrd", like(marked, image))
    write_segmentation(tmp_path / "in.seg.nrrd", like(classes, image), study.structures)
    case = dataclasses.replace(case, image=str(tmp_path / "marked.nrrd"), annotation=str(tmp_path / "in.seg.nrrd"))
    nodes = case_scene.showCase(study, case)
    values = slicer.util.arrayFromVolume(nodes.volume)
    for structure, value in zip(study.structures, (11111, 22222), strict=True):
        inside = mask_of(nodes.annotation, structure.name, nodes.volume)
        assert np.array_equal(inside, values == value)


def test_labelmaps_are_shown_by_their_label_values(case_scene, study, tmp_path):
    study = dataclasses.replace(
        study, structures=tuple(dataclasses.replace(item, label=3 * item.label) for item in study.structures)
    )
    case = study.cases[0]
    image = read_image(study.image_path(case))
    classes = some_classes(study, study.cases[2])[:, : image.GetHeight(), : image.GetWidth()]
    classes = np.zeros(sitk.GetArrayViewFromImage(image).shape, np.uint8)
    classes[2, 3:6, 4:8] = 2
    write_image(tmp_path / "labels.nrrd", like(3 * classes, image))
    case = dataclasses.replace(case, annotation=str(tmp_path / "labels.nrrd"))
    nodes = case_scene.showCase(study, case)
    assert mask_of(nodes.annotation, study.structures[1].name, nodes.volume).sum() == 12
    case_scene.saveAnnotation(study, case, tmp_path / "out.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "out.seg.nrrd"), classes)


def users(case_scene, study, parts):
    case, nodes = shown(case_scene, study, 0)
    return case, nodes.volume, add_segmentation(nodes.volume, parts)


def blocks(study, *corners):
    image = read_image(study.image_path(study.cases[0]))
    masks = []
    for corner in corners:
        mask = np.zeros(sitk.GetArrayViewFromImage(image).shape, bool)
        mask[tuple(slice(start, start + 3) for start in corner)] = True
        masks.append(mask)
    return masks


def test_segments_in_any_order_and_case_go_by_name(case_scene, study, tmp_path):
    first, second = blocks(study, (0, 0, 0), (2, 8, 8))
    case, _, node = users(case_scene, study, {" WALL ": second, "Chamber": first})
    exportSegmentation(node, study.structures, study.image_path(case), tmp_path / "a.seg.nrrd")
    classes = classes_of(study, case, tmp_path / "a.seg.nrrd")
    assert np.array_equal(classes == 1, first)
    assert np.array_equal(classes == 2, second)


def test_empty_segments_of_any_name_do_not_matter(case_scene, study, tmp_path):
    (first,) = blocks(study, (0, 0, 0))
    case, _, node = users(case_scene, study, {"chamber": first})
    for name in ("wall", "Segment_1", "wall"):
        node.GetSegmentation().AddEmptySegment("", name)
    exportSegmentation(node, study.structures, study.image_path(case), tmp_path / "a.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd") == 1, first)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("chamber", "wall"), "'wall' and 'chamber' overlap in 1 voxel"),
        (("chamber", "liver"), "'liver' is no structure"),
        (("wall", "Wall"), "two segments named 'Wall'"),
        ((), "empty"),
    ],
)
def test_what_cannot_be_an_annotation_is_refused_and_nothing_is_written(case_scene, study, tmp_path, names, message):
    masks = blocks(study, (0, 0, 0), (2, 2, 2))
    case, _, node = users(case_scene, study, dict(zip(names, masks, strict=False)))
    with pytest.raises(UserError, match=message) as caught:
        exportSegmentation(node, study.structures, study.image_path(case), tmp_path / "a.seg.nrrd")
    assert caught.value.advice
    assert not (tmp_path / "a.seg.nrrd").exists()


def test_overlaps_are_kept_in_the_node_and_found_when_saving(case_scene, study, tmp_path):
    case, nodes = shown(case_scene, study, 0)
    wall = mask_of(nodes.annotation, "wall", nodes.volume)
    z, y, x = np.argwhere(wall)[0]
    paint(nodes.annotation, "chamber", nodes.volume, (z, y, x), 1)
    assert mask_of(nodes.annotation, "wall", nodes.volume)[z, y, x]
    with pytest.raises(UserError, match="overlap in 1 voxel"):
        case_scene.saveAnnotation(study, case, tmp_path / "a.seg.nrrd")
    assert case_scene.hasUnsavedAnnotation()


def test_terminology_of_the_file_is_kept_and_else_that_of_the_study_is_used(case_scene, study, tmp_path):
    named = (dataclasses.replace(study.structures[0], terminology=TERMINOLOGY), study.structures[1])
    case = study.cases[0]
    image = read_image(study.image_path(case))
    write_segmentation(tmp_path / "in.seg.nrrd", read_annotation(study.annotation_path(case), named, image), named)
    case = dataclasses.replace(case, annotation=str(tmp_path / "in.seg.nrrd"))
    case_scene.showCase(study, case)
    case_scene.saveAnnotation(study, case, tmp_path / "out.seg.nrrd")
    assert structures_of(tmp_path / "out.seg.nrrd")[0].terminology == TERMINOLOGY
    # What was chosen for the study comes before what a file says, also for a case that is shown already.
    chosen = dataclasses.replace(named[0], terminology=TERMINOLOGY.replace("Heart", "Organ"), color=(1, 2, 3))
    case_scene.showCase(dataclasses.replace(study, structures=(chosen, named[1])), case)
    shown = structuresFromSegmentation(case_scene.nodes.annotation)[0]
    assert (shown.terminology, shown.color) == (chosen.terminology, (1, 2, 3))
    assert not case_scene.hasUnsavedAnnotation()
    other = dataclasses.replace(study, structures=named)
    node = case_scene.prepareAnnotation(other, study.cases[2])
    assert structuresFromSegmentation(node)[0].terminology == TERMINOLOGY


def test_structures_are_taken_from_a_segmentation_with_names_colours_and_terminology(case_scene, study):
    masks = blocks(study, (0, 0, 0), (2, 2, 2))
    _, _, node = users(case_scene, study, dict(zip(("liver", "tumor"), masks, strict=True)))
    liver = segmentsOf(node)[0][1]
    liver.SetColor(1.0, 0.5, 0.0)
    liver.SetTag("TerminologyEntry", TERMINOLOGY)
    first, second = structuresFromSegmentation(node)
    assert first == Structure("liver", 1, (255, 128, 0), TERMINOLOGY)
    assert (second.name, second.label) == ("tumor", 2)


def move(node, x):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[0, 3] = x
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_a_transform_of_image_and_segmentation_together_changes_nothing(case_scene, study, tmp_path):
    case, nodes = shown(case_scene, study, 0)
    transform = move(nodes.volume, 40.0)
    nodes.annotation.SetAndObserveTransformNodeID(transform.GetID())
    case_scene.saveAnnotation(study, case, tmp_path / "a.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd"), classes_of(study, case))
    assert nodes.annotation.GetTransformNodeID() == transform.GetID()


def test_a_transform_of_the_segmentation_alone_moves_it_in_the_file_and_not_in_the_scene(case_scene, study, tmp_path):
    image = sitk.GetImageFromArray(np.zeros((4, 8, 16), np.int16))
    image.SetSpacing((2.0, 1.0, 3.0))
    write_image(tmp_path / "image.nrrd", image)
    classes = np.zeros((4, 8, 16), np.uint8)
    classes[1, 2:4, 6:9] = 1
    write_segmentation(tmp_path / "in.seg.nrrd", like(classes, image), study.structures)
    case = dataclasses.replace(
        study.cases[0], image=str(tmp_path / "image.nrrd"), annotation=str(tmp_path / "in.seg.nrrd")
    )
    node = case_scene.showCase(study, case).annotation
    move(node, 4.0)
    case_scene.saveAnnotation(study, case, tmp_path / "a.seg.nrrd")
    # 4 mm to the left of the patient in RAS are 2 voxels towards lower x in LPS.
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd"), np.roll(classes, -2, 2))
    assert mask_of(node, "chamber", case_scene.nodes.volume).sum() == 6


def test_a_user_segmentation_on_another_grid_is_brought_onto_that_of_the_image(case_scene, study, tmp_path):
    case, nodes = shown(case_scene, study, 0)
    classes = classes_of(study, case)
    # Slicer keeps only the part of the grid in which segments are.
    cut = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    cut.GetSegmentation().DeepCopy(nodes.annotation.GetSegmentation())
    cut.GetSegmentation().CollapseBinaryLabelmaps(False)
    exportSegmentation(cut, study.structures, study.image_path(case), tmp_path / "a.seg.nrrd")
    assert np.array_equal(classes_of(study, case, tmp_path / "a.seg.nrrd"), classes)


def test_a_segmentation_stored_as_surface_is_not_taken_for_empty(case_scene, study, tmp_path):
    case, nodes = shown(case_scene, study, 0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(nodes.volume)
    sphere = vtk.vtkSphereSource()
    bounds = [0.0] * 6
    nodes.volume.GetRASBounds(bounds)
    sphere.SetCenter(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
    sphere.SetRadius(12)
    sphere.SetThetaResolution(32)
    sphere.SetPhiResolution(32)
    sphere.Update()
    node.SetSourceRepresentationToClosedSurface()
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "chamber", (1, 0, 0))
    exportSegmentation(node, study.structures, study.image_path(case), tmp_path / "a.seg.nrrd")
    voxel = np.prod(read_image(study.image_path(case)).GetSpacing())
    volume = (classes_of(study, case, tmp_path / "a.seg.nrrd") == 1).sum() * voxel
    assert volume == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.15)

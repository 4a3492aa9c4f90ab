from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from SemiSupervisedSegLib.panel.logic.dicom_source import instance_uids
from SemiSupervisedSegLib.panel.scene.volumes import addVolume, exportVolume, sceneVolumes
from SemiSupervisedSegLib.phantom.volume import phantom_volume
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import Geometry, same_grid
from SemiSupervisedSegLib.study.images import read_image, write_image

from .builders import ras_of


def oblique_image(order=(0, 1, 2), flips=(False, False, False)):
    image, _ = phantom_volume(size=(12, 10, 5), spacing=(0.7, 1.3, 4.0), seed=1)
    return sitk.Flip(sitk.PermuteAxes(image, order), flips)


def matrix_of(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def value_at(node, ras):
    index = np.linalg.solve(matrix_of(node), [*ras, 1.0])[:3]
    assert np.allclose(index, np.rint(index), atol=1e-3)
    x, y, z = np.rint(index).astype(int)
    return slicer.util.arrayFromVolume(node)[z, y, x]


def values_by_place(image):
    """Every voxel's value with its place in mm, in an order that does not depend on the axes."""
    indices = itertools.product(*(range(length) for length in image.GetSize()))
    found = [(*np.round(image.TransformIndexToPhysicalPoint(index), 3), image[index]) for index in indices]
    return sorted(found)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, False)])
def test_every_voxel_is_where_the_file_says_in_oblique_and_mirrored_volumes(scene, tmp_path, order, flips):
    image = oblique_image(order, flips)
    write_image(tmp_path / "a.nrrd", image)
    node = addVolume(tmp_path / "a.nrrd", "a")
    for index in [(0, 0, 0), (3, 2, 1), tuple(length - 1 for length in image.GetSize())]:
        assert value_at(node, ras_of(image, index)) == image[index]
    assert np.linalg.det(matrix_of(node)[:3, :3]) > 0
    exportVolume(node, tmp_path / "b.nrrd")
    assert values_by_place(read_image(tmp_path / "b.nrrd")) == values_by_place(image)


def test_a_volume_is_placed_as_slicer_itself_places_it(scene, tmp_path):
    write_image(tmp_path / "a.nrrd", oblique_image((2, 0, 1), (False, True, False)))
    node = addVolume(tmp_path / "a.nrrd", "a")
    own = slicer.modules.volumes.logic().AddArchetypeVolume(str(tmp_path / "a.nrrd"), "b", 0)
    assert np.allclose(matrix_of(node), matrix_of(own), atol=1e-9)
    assert np.array_equal(slicer.util.arrayFromVolume(node), slicer.util.arrayFromVolume(own))


def test_a_damaged_image_leaves_no_node_behind(scene, tmp_path):
    write_image(tmp_path / "a.nrrd", oblique_image())
    (tmp_path / "a.nrrd").write_bytes((tmp_path / "a.nrrd").read_bytes()[:-40])
    with pytest.raises(UserError, match=r"a\.nrrd"):
        addVolume(tmp_path / "a.nrrd", "a")
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def transformed(node, matrix):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_a_linear_transform_moves_the_exported_grid_and_leaves_the_node_alone(scene, tmp_path):
    write_image(tmp_path / "a.nrrd", oblique_image())
    node = addVolume(tmp_path / "a.nrrd", "a")
    matrix = np.eye(4)
    matrix[:3, :3] = rotation()
    matrix[:3, 3] = (5, -7, 2)
    transform = transformed(node, matrix)
    before, voxels = matrix_of(node), slicer.util.arrayFromVolume(node).copy()
    nodes = scene.GetNumberOfNodes()
    exportVolume(node, tmp_path / "b.nrrd")
    exported = read_image(tmp_path / "b.nrrd")
    axes = np.diag([-1, -1, 1, 1]) @ matrix @ before
    for index in [(0, 0, 0), (11, 0, 4), (3, 9, 2)]:
        place = axes @ [*index, 1]
        assert np.allclose(exported.TransformIndexToPhysicalPoint(index), place[:3], atol=1e-6)
    assert np.array_equal(sitk.GetArrayFromImage(exported), voxels)
    assert np.array_equal(matrix_of(node), before)
    assert np.array_equal(slicer.util.arrayFromVolume(node), voxels)
    assert node.GetTransformNodeID() == transform.GetID()
    assert scene.GetNumberOfNodes() == nodes


def rotation():
    return np.array(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.3, 0.4).GetMatrix()).reshape(3, 3)


def test_a_skewing_transform_is_refused_with_advice(scene, tmp_path):
    write_image(tmp_path / "a.nrrd", oblique_image())
    node = addVolume(tmp_path / "a.nrrd", "a")
    matrix = np.eye(4)
    matrix[0, 1] = 0.5
    transformed(node, matrix)
    with pytest.raises(UserError, match="right angles"):
        exportVolume(node, tmp_path / "b.nrrd")
    assert not (tmp_path / "b.nrrd").exists()
    assert len(sceneVolumes()) == 1


def test_a_bending_transform_resamples_a_copy(scene, tmp_path):
    image = oblique_image()
    write_image(tmp_path / "a.nrrd", image)
    node = addVolume(tmp_path / "a.nrrd", "a")
    points = [vtk.vtkPoints(), vtk.vtkPoints()]
    for place in itertools.product((-30, 30), repeat=3):
        points[0].InsertNextPoint(place)
        points[1].InsertNextPoint(place[0] + 3.0, place[1], place[2] + 0.01 * place[0])
    bend = vtk.vtkThinPlateSplineTransform()
    bend.SetSourceLandmarks(points[0])
    bend.SetTargetLandmarks(points[1])
    bend.SetBasisToR()
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transform.SetAndObserveTransformToParent(bend)
    node.SetAndObserveTransformNodeID(transform.GetID())
    voxels = slicer.util.arrayFromVolume(node).copy()
    exportVolume(node, tmp_path / "b.nrrd")
    exported = read_image(tmp_path / "b.nrrd")
    assert not np.array_equal(sitk.GetArrayFromImage(exported), voxels)
    assert sitk.GetArrayFromImage(exported).std() > 0.5 * voxels.std()
    assert np.array_equal(slicer.util.arrayFromVolume(node), voxels)
    assert node.GetTransformNodeID() == transform.GetID()


def test_the_dicom_instances_of_a_volume_survive_export_and_loading(scene, tmp_path):
    node = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name="a")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3.1 1.2.3.2 1.2.3.3")
    exportVolume(node, tmp_path / "a.nrrd")
    assert instance_uids(tmp_path / "a.nrrd") == ("1.2.3.1", "1.2.3.2", "1.2.3.3")
    again = addVolume(tmp_path / "a.nrrd", "again")
    assert again.GetAttribute("DICOM.instanceUIDs") == "1.2.3.1 1.2.3.2 1.2.3.3"
    exportVolume(slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16)), tmp_path / "b.nrrd")
    assert instance_uids(tmp_path / "b.nrrd") == ()


def test_a_dicom_series_folder_is_shown_with_its_instances(scene, tmp_path):
    image = sitk.GetImageFromArray(np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5))
    image.SetSpacing((0.5, 0.6, 2.0))
    folder = tmp_path / "series"
    folder.mkdir()
    for z in range(3):
        part = image[:, :, z]
        tags = {"0008|0060": "MR", "0020|000e": "1.2.3", "0008|0018": f"1.2.3.{z + 1}", "0020|0013": str(z + 1)}
        tags |= {
            "0020|0032": f"0\\0\\{2 * z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
        }
        for key, value in tags.items():
            part.SetMetaData(key, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{3 - z}.dcm"))
        writer.Execute(part)
    node = addVolume(folder, "series")
    assert node.GetAttribute("DICOM.instanceUIDs") == "1.2.3.1 1.2.3.2 1.2.3.3"
    assert np.array_equal(slicer.util.arrayFromVolume(node), sitk.GetArrayFromImage(image))
    exportVolume(node, tmp_path / "b.nrrd")
    assert same_grid(Geometry.of(read_image(tmp_path / "b.nrrd")), Geometry.of(read_image(folder)))


def test_only_the_users_grey_scale_volumes_are_offered(scene, case_scene, study):
    case_scene.showCase(study, study.cases[0])
    mine = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name="mine")
    slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.uint8), nodeClassName="vtkMRMLLabelMapVolumeNode")
    slicer.util.addVolumeFromArray(np.zeros((3, 4, 5, 3), np.uint8), nodeClassName="vtkMRMLVectorVolumeNode")
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    assert sceneVolumes() == [mine]

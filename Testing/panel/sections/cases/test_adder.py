from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.panel.logic.label_maps import find_label_maps
from SemiSupervisedSegLib.panel.logic.new_cases import find_images, make_cases
from SemiSupervisedSegLib.panel.scene.segments import addStructures
from SemiSupervisedSegLib.panel.scene.volumes import addVolume
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study, study_lock

from ....study.conftest import write_series
from ...studies import STRUCTURES, make_study, write_annotation, write_volume


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for number, place in enumerate(("a/scan.nrrd", "b/scan.nii.gz", "b/other.mha")):
        write_volume(tmp_path / "files" / place, 10 + number)
    write_annotation(tmp_path / "files" / "b" / "other.seg.nrrd")
    (tmp_path / "files" / "notes.txt").write_text("nothing")
    return tmp_path / "files"


def finish(part: Any, spin: Any) -> None:
    spin(lambda: not part.adder.busy)


def test_images_of_a_folder_are_found_with_their_annotations(files, tmp_path):
    study = make_study(tmp_path / "study", cases=1)
    *_, found = find_images(files, study)
    cases = list(make_cases(study, found, "Away"))
    assert [(case.id, case.role.value) for case in cases] == [
        ("scan", "unlabeled"),
        ("other", "labeled"),
        ("scan-2", "unlabeled"),
    ]
    assert study.annotation_path(cases[1]) == files / "b" / "other.seg.nrrd"


def test_the_own_folders_of_a_study_are_not_searched(tmp_path):
    study = make_study(tmp_path / "study", cases=2)
    write_volume(study.folder / "cache" / "prepared.nrrd")
    write_volume(study.folder / "rounds" / "001-cu2l" / "x.nrrd")
    write_annotation(study.folder / "annotations" / "c.nrrd")
    *_, found = find_images(study.folder, study)
    assert list(make_cases(study, found, "Home")) == []
    assert len(found) == 2


def test_a_folder_of_dicom_slices_is_one_image(tmp_path):
    study = make_study(tmp_path / "study", cases=1)
    folder = tmp_path / "dicom" / "series1"
    folder.mkdir(parents=True)
    image = sitk.GetImageFromArray(np.zeros((4, 5), np.int16))
    for number in range(3):
        sitk.WriteImage(image, str(folder / f"{number}.dcm"))
    *_, found = find_images(tmp_path / "dicom", study)
    assert found == [folder]


def test_a_folder_of_several_formats_has_all_its_images(tmp_path):
    study, folder = make_study(tmp_path / "study", cases=1), tmp_path / "mixed"
    write_series(folder, sitk.Image(5, 4, 3, sitk.sitkInt16))
    for name in ("a.nrrd", "b.nii.gz"):
        write_volume(folder / name)
    *_, found = find_images(folder, study)
    assert found == [folder / "a.nrrd", folder / "b.nii.gz", folder]
    sizes = [read_image(path).GetSize() for path in found]
    assert sizes == [sizes[0], sizes[0], (5, 4, 3)]


def test_a_folder_is_added_where_it_lies(opened, dialogs, spin, files):
    opened.ui.addSiteBox.setEditText("Away")
    dialogs.answer("chooseFolder", str(files))
    opened.ui.addFolderButton.click()
    assert not opened.ui.progressRow.isHidden()
    assert "being added" in opened.ui.addFilesButton.toolTip
    finish(opened, spin)
    study = load_study(opened._session.folder)
    added = study.cases[4:]
    assert [(case.id, case.site) for case in added] == [("scan", "Away"), ("other", "Away"), ("scan-2", "Away")]
    assert study.image_path(added[0]) == files / "a" / "scan.nrrd"
    assert opened.ui.addedLabel.text == "3 images added, 1 of them annotated."
    opened.table.select(["scan"])
    opened.ui.setRoleButton.click()
    assert not opened.ui.addedLabel.isHidden()
    assert opened.ui.progressRow.isHidden()
    assert opened.ui.addFilesButton.enabled
    dialogs.answer("chooseFiles", [str(files / "a" / "scan.nrrd")])
    opened.ui.addFilesButton.click()
    finish(opened, spin)
    assert "nothing new" in opened.ui.addedLabel.text


def test_one_bad_file_and_nothing_is_added(opened, dialogs, spin, files):
    bad = files / "b" / "zz.nrrd"
    bad.write_bytes((files / "a" / "scan.nrrd").read_bytes()[:-100])
    dialogs.answer("chooseFolder", str(files))
    opened.ui.addFolderButton.click()
    finish(opened, spin)
    assert "zz" in dialogs.messages[0]
    assert len(load_study(opened._session.folder).cases) == 4


def test_an_empty_folder_is_refused(opened, dialogs, spin, tmp_path):
    (tmp_path / "empty").mkdir()
    dialogs.answer("chooseFolder", str(tmp_path / "empty"))
    opened.ui.addFolderButton.click()
    finish(opened, spin)
    assert "no images" in dialogs.messages[0]


def test_cancel_adds_nothing_and_removes_copies(opened, dialogs, spin, files):
    # More than a fast computer copies in a moment.
    for number in range(60):
        addVolume(files / "a" / "scan.nrrd", f"mine {number}")
    dialogs.answer("chooseItems", list(range(60)))
    opened.ui.addVolumesButton.click()
    spin((opened._session.folder / "images" / "mine-0.nrrd").exists)
    opened.ui.cancelButton.click()
    assert not opened.adder.busy
    assert len(load_study(opened._session.folder).cases) == 4
    assert not list((opened._session.folder / "images").glob("mine*"))


def test_a_study_in_use_elsewhere_adds_nothing(opened, dialogs, spin, files):
    dialogs.answer("chooseFiles", [str(files / "a" / "scan.nrrd")])
    with study_lock(opened._session.folder):
        opened.ui.addFilesButton.click()
        finish(opened, spin)
    assert "in use" in dialogs.messages[0]
    assert len(load_study(opened._session.folder).cases) == 4


def test_volumes_of_the_scene_come_with_the_users_segmentation(opened, dialogs, spin, files):
    volume = addVolume(files / "a" / "scan.nrrd", "Patient 7 (T1)")
    plain = addVolume(files / "b" / "other.mha", "plain")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    addStructures(node, STRUCTURES)
    mask = np.zeros((6, 9, 8), np.uint8)
    mask[2:4, 3:6, 1:5] = 1
    segment = node.GetSegmentation().GetSegmentIdBySegmentName("tumor")
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    foreign = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "foreign")
    foreign.SetReferenceImageGeometryParameterFromVolumeNode(plain)
    foreign.GetSegmentation().AddEmptySegment("", "something else")
    dialogs.answer("chooseItems", [0, 1])
    opened.ui.addVolumesButton.click()
    finish(opened, spin)
    assert dialogs.messages == []
    study = load_study(opened._session.folder)
    first, second = study.cases[4:]
    assert (first.id, first.role, second.role) == ("Patient-7-T1", Role.LABELED, Role.UNLABELED)
    image, original = read_image(study.image_path(first)), read_image(files / "a" / "scan.nrrd")
    assert same_grid(image, original)
    assert np.array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(original))
    classes = sitk.GetArrayFromImage(read_annotation(study.annotation_path(first), study.structures, image))
    assert np.array_equal(classes == 2, mask > 0)
    assert not (classes == 1).any()
    assert not node.GetDisplayVisibility(), "the study shows a copy of its own"
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parents = {tree.GetItemParent(tree.GetItemByDataNode(original)) for original in (volume, plain, node)}
    assert [tree.GetItemName(parent) for parent in parents] == ["Sources (the study has copies)"]
    assert tree.GetItemParent(tree.GetItemByDataNode(foreign)) not in parents
    assert opened._session.case_id == first.id


def test_an_empty_scene_has_nothing_to_add(opened, dialogs):
    opened.ui.addVolumesButton.click()
    assert "no images in the scene" in dialogs.messages[0]


def test_opening_another_study_stops_adding_to_the_first(opened, dialogs, spin, files, tmp_path):
    first = opened._session.folder
    make_study(tmp_path / "other", cases=1)
    dialogs.answer("chooseFolder", str(files))
    opened.ui.addFolderButton.click()
    opened._session.open_study(tmp_path / "other")
    assert not opened.adder.busy
    assert len(load_study(first).cases) == 4
    assert len(load_study(tmp_path / "other").cases) == 1


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """Three scans, two with a mask: in a folder of masks, and beside the scan."""
    folder = tmp_path / "Hôpital Müller"
    for number in (1, 2, 10):
        write_volume(folder / f"Patient {number}.nrrd", 20 + number)
    geometry = sitk.ReadImage(str(folder / "Patient 1.nrrd"))
    mask = sitk.Image(geometry.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(geometry)
    mask[2:5, 2:5, 1:4] = 1
    (folder / "annotations").mkdir()
    sitk.WriteImage(mask, str(folder / "annotations" / "Patient 1.nrrd"))
    sitk.WriteImage(mask, str(folder / "Patient 10_mask.nrrd"))
    return folder


def test_label_maps_are_found_by_name_grid_and_values(masked):
    *_, found = find_label_maps(sorted(masked.rglob("*.nrrd")))
    assert found == {
        masked / "annotations" / "Patient 1.nrrd": masked / "Patient 1.nrrd",
        masked / "Patient 10_mask.nrrd": masked / "Patient 10.nrrd",
    }


@pytest.mark.parametrize("agrees", [True, False])
def test_masks_of_a_folder_become_annotations_or_are_left_out(opened, dialogs, spin, masked, agrees):
    dialogs.answer("chooseFolder", str(masked))
    dialogs.answer("confirm", agrees)
    opened.ui.addFolderButton.click()
    finish(opened, spin)
    assert "Patient 10_mask.nrrd" in dialogs.asked[-1]
    added = {case.id: case for case in opened._session.study.cases if case.id.startswith("Patient")}
    assert sorted(added) == ["Patient-1", "Patient-10", "Patient-2"]
    assert [name for name, case in added.items() if case.annotation] == (["Patient-1", "Patient-10"] if agrees else [])


@pytest.mark.parametrize("agrees", [True, False])
def test_fifteen_structures_of_which_two_are_learned(opened, dialogs, spin, tmp_path, agrees):
    image = tmp_path / "organs" / "scan.nrrd"
    write_volume(image, 40)
    labels = np.zeros(sitk.GetArrayFromImage(sitk.ReadImage(str(image))).shape, np.uint8)
    for label in range(1, 16):
        labels[label % 5, label % 9] = label
    label_map = sitk.GetImageFromArray(labels)
    label_map.CopyInformation(sitk.ReadImage(str(image)))
    sitk.WriteImage(label_map, str(image.with_name("scan_mask.nrrd")))
    before = image.with_name("scan_mask.nrrd").read_bytes()
    dialogs.answer("chooseFolder", str(image.parent))
    dialogs.answer("confirm", True)
    dialogs.answer("confirm", agrees)
    opened.ui.addFolderButton.click()
    finish(opened, spin)
    assert "label 3, label 4" in dialogs.asked[-1]
    study = opened._session.study
    assert image.with_name("scan_mask.nrrd").read_bytes() == before
    assert ("scan" in {case.id for case in study.cases}) == agrees
    assert agrees == (study.layout.annotations / "scan.seg.nrrd").exists()
    if agrees:
        classes = read_annotation(study.annotation_path(study.case("scan")), study.structures, read_image(image))
        assert np.array_equal(sitk.GetArrayFromImage(classes), np.where(labels <= 2, labels, 0))

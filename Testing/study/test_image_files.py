from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.image_files import images_among, is_image_name, matching_paths, with_whole_series

from .conftest import write_series


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.nrrd", True), ("A.NII.GZ", True), ("a.seg.nrrd", False), ("._a.nrrd", False), ("a.txt", False)],
)
def test_names_of_images(name, expected):
    assert is_image_name(name) is expected


def test_segmentations_label_maps_and_other_files_are_left_out(files, structures, make_classes):
    labels = np.array([0, 3, 7], np.uint8)[sitk.GetArrayFromImage(make_classes())]
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(files / "a-label.nii.gz"))
    sitk.WriteImage(sitk.ReadImage(str(files / "a.seg.nrrd")), str(files / "unnamed.nrrd"))
    (files / "a.json").write_text("{}")
    (files / "empty").mkdir()
    images, left_out = images_among(matching_paths(f"{files}/*"), structures)
    assert [path.name for path in images] == ["a.nrrd", "b.nrrd"]
    assert {path.name for path in left_out} == {
        "a-label.nii.gz", "a.json", "a.seg.nrrd", "b.seg.nrrd", "empty", "unnamed.nrrd",
    }  # fmt: skip


def test_slices_of_a_series_are_one_image_and_a_file_of_its_own_is_another(tmp_path, make_image, structures):
    write_series(tmp_path / "scan", make_image())
    write_series(tmp_path / "single", make_image(size=(10, 12, 1)))
    images, left_out = images_among(matching_paths(f"{tmp_path}/*/*.dcm"), structures)
    assert images == [tmp_path / "scan", next((tmp_path / "single").iterdir())]
    assert not left_out
    assert with_whole_series([tmp_path / "a.nrrd", *(tmp_path / "scan").iterdir()]) == [
        tmp_path / "a.nrrd",
        tmp_path / "scan",
    ]
    assert images_among(matching_paths(f"{tmp_path}/*"), structures)[0] == [tmp_path / "scan", tmp_path / "single"]


@pytest.mark.parametrize("name", ["Müller", "série [1]", "研究"])
def test_patterns_match_names_as_people_type_them(tmp_path, name):
    folder = tmp_path / unicodedata.normalize("NFD", name)
    folder.mkdir()
    (folder / "a.nrrd").touch()
    for typed in (f"{tmp_path}/{name}/*.nrrd", f"{tmp_path}\\{name}\\*.nrrd"):
        assert matching_paths(typed) == [folder / "a.nrrd"]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"No image matches .*\*\.mha"):
        matching_paths(f"{tmp_path}/*.mha")

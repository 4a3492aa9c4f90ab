from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import write_image
from SemiSupervisedSegLib.study.model import Structure
from SemiSupervisedSegLib.study.other_structures import other_structures, write_without

ALL = tuple(Structure(name, label, (1, 2, 3)) for label, name in enumerate(("lung", "liver", "spleen"), 1))


@pytest.fixture
def annotated(tmp_path, make_image):
    """An image, and the class map of its three structures."""
    image = make_image()
    write_image(tmp_path / "scan.nrrd", image)
    values = np.zeros(image.GetSize()[::-1], np.uint8)
    values[0, :3], values[1, :3], values[2, :3] = 1, 2, 3
    class_map = sitk.GetImageFromArray(values)
    class_map.CopyInformation(image)
    return class_map, values


@pytest.mark.parametrize("name", ["all.seg.nrrd", "all.nii.gz"])
def test_the_structures_of_the_study_are_kept_and_the_others_become_background(tmp_path, annotated, name):
    class_map, values = annotated
    path, target = tmp_path / name, tmp_path / "liver.seg.nrrd"
    write_segmentation(path, class_map, ALL) if name.endswith(".seg.nrrd") else write_image(path, class_map)
    others = other_structures(path, [ALL[1]])
    assert [item.name for item in others] == (
        ["lung", "spleen"] if name.endswith(".seg.nrrd") else ["label 1", "label 3"]
    )
    write_without(others, path, [ALL[1]], tmp_path / "scan.nrrd", target)
    written = read_annotation(target, [ALL[1]], sitk.ReadImage(str(tmp_path / "scan.nrrd")))
    assert np.array_equal(sitk.GetArrayFromImage(written), values == 2)
    assert other_structures(target, [ALL[1]]) == ()


def test_an_annotation_of_other_structures_only_is_refused(tmp_path, annotated):
    path, heart = tmp_path / "all.seg.nrrd", Structure("heart", 9, (1, 2, 3))
    write_segmentation(path, annotated[0], ALL)
    with pytest.raises(UserError, match="none of the structures"):
        write_without(other_structures(path, [heart]), path, [heart], tmp_path / "scan.nrrd", tmp_path / "x.seg.nrrd")
    assert not (tmp_path / "x.seg.nrrd").exists()

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import Geometry, along_axes_of, difference, same_grid


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_a_label_map_with_its_axes_in_another_order_is_the_same(
    tmp_path, make_image, make_classes, structures, order, flips
):
    classes = make_classes()
    labels = make_image(np.array([0, 3, 7], np.uint8)[sitk.GetArrayFromImage(classes)])
    sitk.WriteImage(sitk.Flip(sitk.PermuteAxes(labels, order), flips), str(tmp_path / "labels.nrrd"))
    read = read_annotation(tmp_path / "labels.nrrd", structures, make_image())
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(classes))
    assert same_grid(read, make_image())


def test_axes_that_are_turned_by_half_a_right_angle_stay_as_they_are():
    straight = Geometry((4, 5, 6), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    turned = tuple(sitk.Euler3DTransform((0, 0, 0), 0.6, 0.7, 0.8).GetMatrix())
    values = np.arange(120).reshape(6, 5, 4)
    other, grid = along_axes_of(straight, values, Geometry((4, 5, 6), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), turned))
    assert not same_grid(grid, straight)
    assert sorted(other.ravel()) == list(range(120))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image[:, :, :4], r"10 x 12 x 4 and 10 x 12 x 5 voxels"),
        (lambda image: image.SetSpacing((0.7, 0.8, 2.5)), r"voxels of 0\.7 x 0\.8 x 2\.5 and 0\.7 x 0\.8 x 5 mm"),
        (lambda image: image.SetOrigin((-11.0, 20.0, 9.0)), r"begin at -11 x 20 x 9 and -11 x 20 x 7\.5 mm"),
        (lambda image: image.SetDirection(np.eye(3).ravel().tolist()), "axes have different directions"),
    ],
)
def test_what_differs_between_two_grids_is_said_with_both_values(
    tmp_path, make_image, make_classes, structures, change, words
):
    labels = make_classes() * 3
    changed = change(labels) or labels
    sitk.WriteImage(changed, str(tmp_path / "labels.nrrd"))
    labels = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    sitk.WriteImage(sitk.Cast(labels == 3, sitk.sitkUInt8) * 3, str(tmp_path / "labels.nrrd"))
    with pytest.raises(UserError, match=words):
        read_annotation(tmp_path / "labels.nrrd", structures, make_image())
    assert difference(Geometry.of(labels), Geometry.of(make_image()))

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.panel.logic.worst_place import worst_place
from SemiSupervisedSegLib.study.errors import UserError


def written(path, values):
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 2.0, 4.0))
    image.SetOrigin((10.0, 20.0, 30.0))
    sitk.WriteImage(image, str(path))
    return path


def test_it_is_a_voxel_of_the_largest_part_of_the_slice_with_the_most(tmp_path):
    values = np.zeros((5, 8, 9), np.uint8)
    values[1, 1:3, 1:3] = 1
    values[3, 2:7, 4:7] = 1
    assert worst_place(written(tmp_path / "map.nrrd", values)) == (-(10 + 5 * 0.5), -(20 + 4 * 2.0), 30 + 3 * 4.0)


def test_it_lies_in_the_map_also_when_the_map_is_a_ring(tmp_path):
    values = np.zeros((2, 9, 9), np.uint8)
    values[1, 1:8, 1:8] = 1
    values[1, 3:6, 3:6] = 0
    right, anterior, superior = worst_place(written(tmp_path / "map.nrrd", values))
    assert values[1, round((-anterior - 20) / 2), round((-right - 10) / 0.5)] == 1
    assert superior == 34


def test_there_is_none_where_the_results_are_the_same(tmp_path):
    assert worst_place(written(tmp_path / "map.nrrd", np.zeros((2, 3, 4), np.uint8))) is None


def test_a_damaged_map_is_an_error_in_words(tmp_path):
    (tmp_path / "map.nrrd").write_bytes(b"no image")
    with pytest.raises(UserError, match="map"):
        worst_place(tmp_path / "map.nrrd")

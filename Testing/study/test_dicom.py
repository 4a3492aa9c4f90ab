from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import image_geometry, read_image

from .conftest import write_series


@pytest.fixture
def volume(make_image) -> sitk.Image:
    return make_image(size=(12, 14, 6))


def test_series_folder(tmp_path, volume):
    write_series(tmp_path / "s", volume)
    (tmp_path / "s" / "notes.txt").write_text("not DICOM, not asked")
    image = read_image(tmp_path / "s")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(volume))
    assert same_grid(image, volume)
    assert same_grid(image_geometry(tmp_path / "s"), volume)


@pytest.mark.parametrize("kept", [0, 100, 400, -50])
def test_truncated_slice(tmp_path, volume, kept):
    """The reader of ITK leaves such a slice out and stretches the others over its place."""
    write_series(tmp_path / "s", volume)
    path = tmp_path / "s" / "1.2.3.4-2.dcm"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"1\.2\.3\.4-2\.dcm could not be read"):
        read_image(tmp_path / "s")


def test_a_position_of_two_numbers(tmp_path, volume):
    write_series(tmp_path / "s", volume)
    path = tmp_path / "s" / "1.2.3.4-2.dcm"
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    position = reader.GetMetaData("0020|0032").encode()
    changed = position.replace(b"\\", b"0", 1)
    path.write_bytes(path.read_bytes().replace(position, changed))
    with pytest.raises(UserError):
        read_image(tmp_path / "s")


def test_missing_slice(tmp_path, volume):
    write_series(tmp_path / "s", volume)
    (tmp_path / "s" / "1.2.3.4-2.dcm").unlink()
    with pytest.raises(UserError, match="not evenly spaced"):
        read_image(tmp_path / "s")


def test_two_series(tmp_path, volume):
    write_series(tmp_path / "s", volume)
    write_series(tmp_path / "s", volume, series="1.2.3.5")
    with pytest.raises(UserError, match="has 2 DICOM series"):
        read_image(tmp_path / "s")


def test_folder_without_dicom(tmp_path):
    with pytest.raises(UserError, match="no DICOM series"):
        read_image(tmp_path)

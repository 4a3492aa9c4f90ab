from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import image_geometry, read_image

NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\nendian: little\nencoding: raw\n"
META = "NDims = 3\nDimSize = 5 4 3\nElementType = MET_SHORT\n"
AXES = "space: left-posterior-superior\nspace directions: (2,0,0) (0,2,0) (0,0,2)\nspace origin: (0,0,0)\n"


def write(path, header: str) -> None:
    path.write_bytes(header.encode() + np.arange(60, dtype="<i2").tobytes())


@pytest.mark.parametrize(
    ("name", "header", "words"),
    [
        ("none.nrrd", f"{NRRD}\n", "does not say how far"),
        ("nan.nrrd", f"{NRRD}spacings: NaN NaN NaN\n\n", "does not say how far"),
        ("one.nrrd", f"{NRRD}spacings: 1 1 NaN\n\n", "does not say how far"),
        ("um.nrrd", f'{NRRD}{AXES}space units: "um" "um" "um"\n\n', "spacing in 'um'"),
        ("none.mha", f"{META}ElementDataFile = LOCAL\n", "does not say how far"),
    ],
)
def test_a_header_without_a_spacing_in_millimetres_is_refused(tmp_path, name, header, words):
    write(tmp_path / name, header)
    for read in (read_image, image_geometry):
        with pytest.raises(UserError, match=words):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.nrrd", f"{NRRD}spacings: 2 2 2\n\n"),
        ("b.nrrd", f'{NRRD}{AXES}space units: "mm" "mm" "mm"\n\n'),
        ("a.mha", f"{META}ElementSpacing = 2 2 2\nElementDataFile = LOCAL\n"),
    ],
)
def test_a_header_with_one_is_read(tmp_path, name, header):
    write(tmp_path / name, header)
    assert read_image(tmp_path / name).GetSpacing() == (2.0, 2.0, 2.0)


def test_a_stack_of_pictures_has_no_spacing(tmp_path):
    sitk.WriteImage(sitk.Image((5, 4, 3), sitk.sitkUInt8), str(tmp_path / "stack.tif"))
    with pytest.raises(UserError, match="does not say how far"):
        read_image(tmp_path / "stack.tif")

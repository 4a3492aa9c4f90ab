from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import image_geometry, read_image


@pytest.fixture
def plain(tmp_path, make_image) -> bytearray:
    """The bytes of a NIfTI-1 file with the voxels of `make_image`."""
    sitk.WriteImage(make_image(), str(tmp_path / "plain.nii"))
    return bytearray((tmp_path / "plain.nii").read_bytes())


def second_version(first: bytes) -> bytes:
    """The same file as NIfTI-2, whose numbers are wider and lie elsewhere."""
    new = bytearray(544)
    struct.pack_into("<i8s", new, 0, 540, b"n+2\0\r\n\x1a\n")
    for kind, place, kind_then, then in (
        ("<8h", 40, "<8q", 16),
        ("<h", 70, "<h", 12),
        ("<h", 72, "<h", 14),
        ("<8f", 76, "<8d", 104),
        ("<2f", 112, "<2d", 176),
        ("<b", 123, "<i", 500),
        ("<2h", 252, "<2i", 344),
        ("<6f", 256, "<6d", 352),
        ("<12f", 280, "<12d", 400),
    ):
        struct.pack_into(kind_then, new, then, *struct.unpack_from(kind, first, place))
    struct.pack_into("<q", new, 168, len(new))
    return bytes(new) + bytes(first[352:])


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("packed.nii", gzip.compress),
        ("capitals.NII.gz", gzip.compress),
        ("second.nii", second_version),
        ("second.nii.gz", lambda raw: gzip.compress(second_version(raw))),
        ("packed-second.nii", lambda raw: gzip.compress(second_version(raw))),
    ],
)
def test_what_itk_does_not_open_is_read_like_the_plain_file(tmp_path, plain, make_image, name, convert):
    (tmp_path / name).write_bytes(convert(bytes(plain)))
    image = read_image(tmp_path / name)
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(make_image()))
    assert same_grid(image, make_image())
    assert same_grid(image_geometry(tmp_path / name), make_image())


def test_a_second_version_that_was_cut_short_is_damaged(tmp_path, plain):
    (tmp_path / "a.nii").write_bytes(second_version(plain)[:-1])
    with pytest.raises(UserError, match="damaged"):
        read_image(tmp_path / "a.nii")


def test_axes_that_are_not_at_right_angles_are_called_so(tmp_path, plain):
    struct.pack_into("<hh", plain, 252, 0, 1)
    for number, row in enumerate(((-0.7, 0, 0.05, 0), (0, -0.8, 0, 0), (0, 0, 5, 0))):
        struct.pack_into("<4f", plain, 280 + 16 * number, *row)
    (tmp_path / "a.nii").write_bytes(plain)
    with pytest.raises(UserError, match=r"axes of a\.nii are not at right angles"):
        read_image(tmp_path / "a.nii")


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_file_without_spacing_is_refused(tmp_path, plain, value):
    struct.pack_into("<f", plain, 88, value)
    (tmp_path / "a.nii").write_bytes(plain)
    with pytest.raises(UserError, match=r"a\.nii"):
        read_image(tmp_path / "a.nii")


def test_two_spacings_in_one_header_are_refused_with_both(tmp_path, plain):
    struct.pack_into("<hh", plain, 252, 0, 1)
    for number, row in enumerate(((1.4, 0, 0, 0), (0, 1.6, 0, 0), (0, 0, 10, 0))):
        struct.pack_into("<4f", plain, 280 + 16 * number, *row)
    (tmp_path / "a.nii").write_bytes(plain)
    with pytest.raises(UserError, match=r"0\.7 x 0\.8 x 5 \(pixdim\) and 1\.4 x 1\.6 x 10 \(sform\)"):
        read_image(tmp_path / "a.nii")


def test_two_descriptions_of_the_axes_that_contradict_each_other_are_refused(tmp_path, plain):
    rows = np.array(struct.unpack_from("<12f", plain, 280)).reshape(3, 4)
    flipped, moved = rows.copy(), rows.copy()
    flipped[:, 0] *= -1
    moved[0, 3] += 30
    for sform, code, words in ((flipped, 2, "mirror images"), (moved, 1, "differ in direction or place")):
        changed = bytearray(plain)
        struct.pack_into("<2h", changed, 252, 1, code)
        struct.pack_into("<12f", changed, 280, *sform.ravel())
        (tmp_path / "a.nii").write_bytes(changed)
        with pytest.raises(UserError, match=words):
            read_image(tmp_path / "a.nii")
    # Another space, such as that of an atlas, is no contradiction.
    struct.pack_into("<2h", plain, 252, 1, 4)
    struct.pack_into("<12f", plain, 280, *moved.ravel())
    (tmp_path / "a.nii").write_bytes(plain)
    assert read_image(tmp_path / "a.nii").GetOrigin() == pytest.approx((-11.0, 20.0, 7.5))


def test_a_vector_of_one_value_is_a_volume(tmp_path, plain, make_image):
    struct.pack_into("<h", plain, 68, 1007)
    (tmp_path / "a.nii").write_bytes(plain)
    assert np.array_equal(sitk.GetArrayFromImage(read_image(tmp_path / "a.nii")), sitk.GetArrayFromImage(make_image()))

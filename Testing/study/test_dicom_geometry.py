"""Series as hospitals give them: read with their true geometry and values, or refused with what is wrong."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.dicom import series_files
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import image_geometry, read_image

pytest.importorskip("pydicom")

from .dicom_files import (
    ENHANCED_CT,
    GEOMETRY,
    PIXELS,
    REPORT,
    STRUCTURE_SET,
    in_frames,
    without,
    write_slice,
    write_volume,
)

VOXELS = np.random.default_rng(0).integers(-50, 1000, (5, 6, 8)).astype(np.int16)
PLACES = [(1.0, 2.0, 3.0 + 2 * number) for number in range(5)]


def moved(number: int, *by: float) -> list[tuple[float, ...]]:
    places = [np.array(place) for place in PLACES]
    places[number] = places[number] + by
    return [tuple(place.tolist()) for place in places]


def assert_volume(image: sitk.Image, voxels: np.ndarray = VOXELS) -> None:
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), voxels, rtol=1e-6)
    assert image.GetSpacing() == (0.5, 0.5, 2.0)
    assert image.GetOrigin() == PLACES[0]
    assert image.GetDirection() == tuple(np.eye(3).ravel())


def test_slices_are_put_in_the_order_of_their_places(tmp_path):
    write_volume(tmp_path / "s", VOXELS[::-1], PLACES[::-1])
    assert_volume(read_image(tmp_path / "s"))
    assert image_geometry(tmp_path / "s").size == (8, 6, 5)
    assert [file[-6:-4] for file in series_files(tmp_path / "s")] == ["04", "03", "02", "01", "00"]


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([(1.0, 2 + 0.6 * number, 3 + 2 * number) for number in range(5)], r"shifted .* up to 2\.4 mm.*tilted gantry"),
        (moved(2, 1.0, 0, 0), "shifted against each other by up to 1 mm"),
        (moved(2, 0, 0, 0.3), r"not evenly spaced \(1\.7 to 2\.3 mm\)"),
        ([(1.0, 2.0, 3 + (2 if number < 3 else 2.15) * number) for number in range(5)], "not evenly spaced"),
        ([(1.0, 2.0, 3 + (2 if number < 3 else 4) * number) for number in range(5)], "not evenly spaced"),
        (moved(2, 0, 0, -2), "5 images of 4 places"),
        ([PLACES[0]] * 5, "5 images of 1 places"),
    ],
    ids=["tilted", "shifted", "uneven", "changing", "gap", "repeated", "cine"],
)
def test_slices_that_make_up_no_regular_volume_are_refused(tmp_path, places, words):
    write_volume(tmp_path / "s", VOXELS, places)
    for read in (read_image, image_geometry):
        with pytest.raises(UserError, match=words):
            read(tmp_path / "s")


def test_positions_that_were_rounded_are_no_fault(tmp_path):
    write_volume(tmp_path / "s", VOXELS, moved(2, 0.02, -0.02, 0.02))
    assert_volume(read_image(tmp_path / "s"))


def test_pixels_need_not_be_square(tmp_path):
    def change(dataset):
        dataset.PixelSpacing = [0.8, 0.5]

    write_volume(tmp_path / "s", VOXELS, PLACES, change=change)
    assert read_image(tmp_path / "s").GetSpacing() == (0.5, 0.8, 2.0)


def test_folders_in_a_folder_are_named(tmp_path):
    write_volume(tmp_path / "patient" / "series", VOXELS, PLACES)
    with pytest.raises(UserError, match="no DICOM series") as caught:
        read_image(tmp_path / "patient")
    assert "series" in caught.value.advice


def test_slices_without_place_or_pixel_size_and_turned_ones_are_refused(tmp_path):
    write_volume(tmp_path / "nowhere", VOXELS, PLACES, change=without("ImagePositionPatient"))
    write_volume(tmp_path / "size", VOXELS, PLACES, change=without("PixelSpacing"))
    write_volume(tmp_path / "turned", VOXELS, PLACES)
    write_slice(tmp_path / "turned" / "02.dcm", VOXELS[2], PLACES[2], orientation=(0, 1, 0, -1, 0, 0))
    write_volume(tmp_path / "sizes", VOXELS, PLACES)
    write_slice(tmp_path / "sizes" / "02.dcm", VOXELS[2, :4], PLACES[2])
    for name, words in (
        ("nowhere", "5 images .* do not say where they lie"),
        ("size", "does not say how large its pixels are"),
        ("turned", "turned against each other"),
        ("sizes", "different sizes"),
    ):
        with pytest.raises(UserError, match=words):
            read_image(tmp_path / name)


def test_every_slice_has_a_scale_of_its_own(tmp_path):
    scales = [(1.0, 0.0), *((1e-3 * number, -5.0 * number) for number in range(1, 5))]
    for number, scale in enumerate(scales):
        write_slice(tmp_path / "s" / f"{number}.dcm", VOXELS[number], PLACES[number], scale=scale)
    slopes, intercepts = np.array(scales).T[..., None, None]
    assert_volume(read_image(tmp_path / "s"), VOXELS * slopes + intercepts)


def test_objects_without_an_image_and_files_of_other_systems_are_left_out(tmp_path):
    folder = tmp_path / "s"
    write_volume(folder, VOXELS, PLACES)
    for kind, name in ((STRUCTURE_SET, "rs.dcm"), (REPORT, "sr.dcm")):
        write_slice(folder / name, VOXELS[0], series="9", kind=kind, change=without(*GEOMETRY, *PIXELS))
    (folder / "._00.dcm").write_bytes(b"\0\5\x16\7" + bytes(500))
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    shutil.copy(folder / "01.dcm", folder / "01 (copy).dcm")
    assert_volume(read_image(folder))


def test_several_series_are_listed(tmp_path):
    write_volume(tmp_path / "s", VOXELS, PLACES)
    write_slice(tmp_path / "s" / "x.dcm", VOXELS[0], series="1.2.9")
    with pytest.raises(UserError, match="2 DICOM series: number 7 with 5 images, number 7 with 1 images"):
        read_image(tmp_path / "s")


@pytest.mark.parametrize("scales", [[(2.0, -10.0)], [(0.5 * number, -number) for number in range(1, 6)]])
def test_an_enhanced_object_is_read_by_its_frames_in_a_folder_and_alone(tmp_path, scales):
    order = [3, 0, 4, 2, 1]
    places = [PLACES[number] for number in order]
    mine = scales if len(scales) == 1 else [scales[number] for number in order]
    change = in_frames(places, mine)
    write_slice(tmp_path / "s" / "1.dcm", VOXELS[order], kind=ENHANCED_CT, change=change)
    slopes, intercepts = np.array(scales).T[..., None, None]
    for path in (tmp_path / "s", tmp_path / "s" / "1.dcm"):
        assert_volume(read_image(path), VOXELS * slopes + intercepts)
        assert image_geometry(path).size == (8, 6, 5)


def test_frames_without_places_and_at_one_place_are_refused(tmp_path):
    change = in_frames([PLACES[0]] * 5, [(1.0, 0.0)])
    write_slice(tmp_path / "cine.dcm", VOXELS, kind=ENHANCED_CT, change=change)
    with pytest.raises(UserError, match=r"DICOM file cine\.dcm has several images of one place"):
        read_image(tmp_path / "cine.dcm")


def test_a_truncated_slice_is_named(tmp_path):
    write_volume(tmp_path / "s", VOXELS, PLACES)
    path = tmp_path / "s" / "02.dcm"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"02\.dcm could not be read"):
        read_image(tmp_path / "s")


def test_files_from_before_the_mark_are_read_by_their_suffix(tmp_path):
    write_volume(tmp_path / "s", VOXELS, PLACES)
    for path in (tmp_path / "s").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    assert_volume(read_image(tmp_path / "s"))


@pytest.mark.parametrize(
    ("values", "words"),
    [({"PhotometricInterpretation": "PALETTE COLOR"}, "has colours"), ({"BitsStored": 12}, "outdated layout")],
)
def test_pixels_that_are_no_plain_grey_values_are_refused(tmp_path, values, words):
    def change(dataset):
        for name, value in values.items():
            setattr(dataset, name, value)

    write_volume(tmp_path / "s", VOXELS, PLACES, change=change)
    with pytest.raises(UserError, match=words):
        read_image(tmp_path / "s")


def test_copies_of_a_slice_are_left_out_and_another_slice_of_the_same_identifier_is_not(tmp_path):
    write_volume(tmp_path / "s", VOXELS, PLACES)
    shutil.copy(tmp_path / "s/02.dcm", tmp_path / "s/02 copy.dcm")
    assert_volume(read_image(tmp_path / "s"))

    def same_identifier(dataset):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"

    write_volume(tmp_path / "phases", VOXELS, PLACES, change=same_identifier)
    assert_volume(read_image(tmp_path / "phases"))
    write_slice(tmp_path / "phases/a.dcm", VOXELS[0] + 5, PLACES[0], change=same_identifier)
    with pytest.raises(UserError, match="several images of one place: 6 images of 5 places"):
        read_image(tmp_path / "phases")

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SemiSupervisedSegLib.study.annotations import read_annotation, structures_of, write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Structure


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def write_layers(path, image: sitk.Image, segments: list[tuple[str, int, int]]) -> None:
    """Write a segmentation with (name, layer, label value) for each segment."""
    for number, (name, layer, value) in enumerate(segments):
        image.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_Layer", str(layer))
        image.SetMetaData(f"Segment{number}_LabelValue", str(value))
    sitk.WriteImage(image, str(path), True)


@pytest.mark.parametrize("count", range(1, 9))
def test_round_trip_of_one_to_eight_structures(tmp_path, make_image, count):
    structures = tuple(Structure(f"Größe {n}", 255 - 20 * n, (n, 10 * n, 255)) for n in range(count))
    classes = np.random.default_rng(0).integers(0, count + 1, (5, 12, 10)).astype(np.uint8)
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, make_image(classes), structures)
    assert structures_of(path) == structures
    np.testing.assert_array_equal(array(read_annotation(path, structures, make_image())), classes)


def test_terminology_survives(tmp_path, make_classes, structures):
    write_segmentation(tmp_path / "a.seg.nrrd", make_classes(), structures)
    assert structures_of(tmp_path / "a.seg.nrrd") == structures


def test_stored_values_are_label_values(tmp_path, make_classes, structures):
    write_segmentation(tmp_path / "a.seg.nrrd", make_classes(), structures)
    assert set(np.unique(array(sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))))) == {0, 3, 7}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz", "a.mha"])
def test_labelmap(tmp_path, make_image, make_classes, structures, dtype, name):
    classes = array(make_classes())
    labels = np.array([0, 3, 7])[classes].astype(dtype)
    sitk.WriteImage(make_image(labels), str(tmp_path / name))
    result = read_annotation(tmp_path / name, structures, make_image())
    assert result.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(array(result), classes)


@pytest.mark.parametrize(("value", "text"), [(2, "2"), (-3, "-3"), (4.0, "4"), (259, "259")])
def test_unknown_label_value_is_named(tmp_path, make_image, structures, value, text):
    labels = np.full((5, 12, 10), 3, "float32" if isinstance(value, float) else "int16")
    labels[2, 3, 4] = value
    sitk.WriteImage(make_image(labels), str(tmp_path / "a.nrrd"))
    with pytest.raises(UserError, match=f"label value {text}, which no structure"):
        read_annotation(tmp_path / "a.nrrd", structures, make_image())


def test_segments_go_by_name_not_by_value_or_order(tmp_path, make_image, make_classes, structures):
    classes = array(make_classes())
    swapped = np.array([0, 2, 1], np.uint8)[classes]
    write_layers(tmp_path / "a.seg.nrrd", make_image(swapped), [("Wall", 0, 1), ("chamber", 0, 2)])
    np.testing.assert_array_equal(array(read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())), classes)


def test_layers(tmp_path, make_image, make_classes, structures):
    classes = array(make_classes())
    layers = sitk.Compose([make_image((classes == 1).astype(np.uint8)), make_image((classes == 2).astype(np.uint8))])
    write_layers(tmp_path / "a.seg.nrrd", layers, [("chamber", 0, 1), ("wall", 1, 1)])
    np.testing.assert_array_equal(array(read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())), classes)


def test_overlap_is_never_flattened(tmp_path, make_image, make_classes, structures):
    classes = array(make_classes())
    layers = sitk.Compose([make_image((classes > 0).astype(np.uint8)), make_image((classes == 2).astype(np.uint8))])
    write_layers(tmp_path / "a.seg.nrrd", layers, [("chamber", 0, 1), ("wall", 1, 1)])
    with pytest.raises(UserError, match=r"'wall' and 'chamber' .* overlap"):
        read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([("chamber", 0, 1), ("atrium", 0, 2)], "segment 'atrium', which is no structure"),
        ([("chamber", 0, 1), ("Chamber", 0, 2)], "two segments named"),
        ([("chamber", 0, 1)], "label value 2"),
        ([("chamber", 0, 1), ("wall", 1, 2)], "damaged segment description"),
        ([], "has no segments"),
    ],
)
def test_bad_segments(tmp_path, make_image, make_classes, structures, segments, message):
    write_layers(tmp_path / "a.seg.nrrd", make_classes(), segments)
    with pytest.raises(UserError, match=message):
        read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())


@pytest.mark.parametrize("color", ["nan 0 0", "inf 0 0", "1 2", ""])
def test_a_colour_that_is_none_is_grey(tmp_path, make_classes, color):
    image = make_classes()
    image.SetMetaData("Segment0_Name", "chamber")
    image.SetMetaData("Segment0_Color", color)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    assert structures_of(tmp_path / "a.seg.nrrd")[0].color == (128, 128, 128)


def test_numbers_that_are_none(tmp_path, make_image, make_classes, structures):
    image = make_classes()
    image.SetMetaData("Segment0_Name", "chamber")
    image.SetMetaData("Segment0_LabelValue", "one")
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    with pytest.raises(UserError, match="damaged segment description"):
        read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())


def test_fractional_segmentation_is_refused(tmp_path, make_image, make_classes, structures):
    image = make_classes()
    image.SetMetaData("Segmentation_MasterRepresentation", "Fractional labelmap")
    write_layers(tmp_path / "a.seg.nrrd", image, [("chamber", 0, 1), ("wall", 0, 2)])
    with pytest.raises(UserError, match="binary labelmap"):
        read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())


def test_cropped_segmentation_is_put_in_its_place(tmp_path, make_image, make_classes, structures):
    classes = make_classes()
    write_segmentation(tmp_path / "a.seg.nrrd", classes[2:7, 3:11, 0:5], structures)
    result = read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())
    np.testing.assert_array_equal(array(result), array(classes))
    assert result.GetOrigin() == make_image().GetOrigin()


@pytest.mark.parametrize("change", ["half a voxel", "spacing", "turned", "outside"])
def test_other_grids(tmp_path, make_image, make_classes, structures, change):
    part = make_classes()[2:7, 3:11, 0:5]
    reference = make_image()
    if change == "half a voxel":
        part.SetOrigin(make_classes().TransformContinuousIndexToPhysicalPoint((2.5, 3, 0)))
    elif change == "spacing":
        part.SetSpacing((0.7, 0.8, 4.0))
    elif change == "turned":
        part.SetDirection(tuple(np.eye(3).ravel()))
    elif change == "outside":
        reference = reference[3:, :, :]
    write_segmentation(tmp_path / "a.seg.nrrd", part, structures)
    with pytest.raises(UserError, match="different grids"):
        read_annotation(tmp_path / "a.seg.nrrd", structures, reference)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("cropped", [False, True])
def test_segmentation_whose_axis_runs_the_other_way_is_turned(
    tmp_path, make_image, make_classes, structures, axis, cropped
):
    classes = make_classes()
    part = classes[2:7, 3:11, 0:5] if cropped else classes
    write_segmentation(tmp_path / "a.seg.nrrd", sitk.Flip(part, [i == axis for i in range(3)]), structures)
    result = read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())
    np.testing.assert_array_equal(array(result), array(classes))


def test_plain_labelmaps_are_not_padded(tmp_path, make_image, structures):
    labels = np.full((5, 12, 10), 3, np.uint8)
    sitk.WriteImage(make_image(labels)[2:, :, :], str(tmp_path / "a.nrrd"))
    with pytest.raises(UserError, match="different grids"):
        read_annotation(tmp_path / "a.nrrd", structures, make_image())


@pytest.mark.parametrize("name", ["a.nrrd", "a.seg.nrrd"])
def test_empty(tmp_path, make_image, structures, name):
    write_segmentation(tmp_path / name, make_image(np.zeros((5, 12, 10), np.uint8)), structures)
    with pytest.raises(UserError, match="is empty"):
        read_annotation(tmp_path / name, structures, make_image())


def test_truncated_segmentation(tmp_path, make_image, make_classes, structures):
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, make_classes(), structures)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match="cut short"):
        read_annotation(path, structures, make_image())


def test_missing(tmp_path, make_image, structures):
    with pytest.raises(UserError, match="There is no file"):
        read_annotation(tmp_path / "a.seg.nrrd", structures, make_image())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 1200), length=st.integers(0, 20), replacement=st.binary(max_size=8))
def test_any_damage_is_read_or_is_a_user_error(
    tmp_path, make_image, make_classes, structures, start, length, replacement
):
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, make_classes(), structures)
    raw = path.read_bytes()
    path.write_bytes(raw[:start] + replacement + raw[start + length :])
    with contextlib.suppress(UserError):
        read_annotation(path, structures, make_image())
    with contextlib.suppress(UserError):
        structures_of(path)


@pytest.mark.parametrize("factor", [1 + 1e-7, 0.9999, 1.004])
def test_whole_numbers_with_rounding_errors_are_whole_numbers(tmp_path, make_image, make_classes, structures, factor):
    labels = np.array([0, 3, 7], np.float64)[sitk.GetArrayFromImage(make_classes())]
    sitk.WriteImage(make_image(labels * factor), str(tmp_path / "a.nrrd"))
    read = read_annotation(tmp_path / "a.nrrd", structures, make_image())
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(make_classes()))


def test_probabilities_are_no_labels(tmp_path, make_image, structures):
    sitk.WriteImage(make_image(np.linspace(0, 7, 600).reshape(5, 12, 10)), str(tmp_path / "a.nrrd"))
    with pytest.raises(UserError, match=r"between whole numbers, such as \d\.\d+") as caught:
        read_annotation(tmp_path / "a.nrrd", structures, make_image())
    assert "nearest" in caught.value.advice


def test_a_header_that_describes_segments_makes_a_segmentation_of_any_name(
    tmp_path, make_image, make_classes, structures
):
    """3D Slicer numbers segments in the order in which they were made, so that their names count."""
    swapped = (dataclasses.replace(structures[1], label=3), dataclasses.replace(structures[0], label=7))
    write_segmentation(tmp_path / "a.seg.nrrd", make_classes(), swapped)
    (tmp_path / "a.seg.nrrd").rename(tmp_path / "label.nrrd")
    read = sitk.GetArrayFromImage(read_annotation(tmp_path / "label.nrrd", structures, make_image()))
    expected = sitk.GetArrayFromImage(make_classes())
    assert np.array_equal(read == 1, expected == 2)
    assert np.array_equal(read == 2, expected == 1)

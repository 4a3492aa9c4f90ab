from __future__ import annotations

import base64

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.engine.evaluation.report.overlays import PIXELS, case_pictures, png_data_uri
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.model import Modality, Structure

STRUCTURES = (Structure("a", 1, (230, 0, 0)), Structure("b", 2, (0, 0, 230)))


def plan(slice_axis: int = 0) -> Plan:
    return Plan(2, slice_axis, (None, 1.0, 1.0), (32, 32), Normalization(Modality.MR), 3, NetworkSpec("unet_2d"))


def scene(shape=(5, 40, 40), spacing=(1.0, 1.0, 5.0)):
    final, prototype = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    final[3, 10:30, 10:20], final[3, 10:30, 20:30] = 1, 2
    prototype[3, 10:30, 10:20] = 1
    image = sitk.GetImageFromArray(np.full(shape, 100, np.int16))
    image.SetSpacing(spacing)
    return image, final, prototype


def color_at(picture: np.ndarray, color) -> np.ndarray:
    return (picture == np.asarray(color)).all(axis=2)


def test_final_is_an_outline_of_three_pixels_in_the_hue_of_the_structure():
    image, final, prototype = scene()
    pictures = case_pictures(image, final, prototype, None, plan(), STRUCTURES, Modality.MR)
    assert pictures.final.shape == (PIXELS, PIXELS, 3)
    assert (pictures.slice_number, pictures.slices) == (4, 5)
    for structure in STRUCTURES:
        outline = color_at(pictures.final, structure.color)
        rows = np.flatnonzero(outline.any(axis=1))
        middle = np.flatnonzero(outline[(rows[0] + rows[-1]) // 2])
        runs = np.split(middle, np.flatnonzero(np.diff(middle) > 1) + 1)
        assert [len(run) for run in runs] == [3, 3]


def test_prototype_is_a_fill_of_35_percent_without_outline():
    image, final, prototype = scene()
    pictures = case_pictures(image, final, prototype, None, plan(), STRUCTURES, Modality.MR)
    changed = (pictures.prototype != pictures.image).any(axis=2)
    gray = pictures.image[changed].astype(float)
    expected = 0.65 * gray + 0.35 * np.asarray(STRUCTURES[0].color)
    assert changed.any()
    assert np.abs(pictures.prototype[changed] - expected).max() <= 1


def test_annotation_is_a_light_line_of_one_pixel_on_both():
    image, final, prototype = scene()
    annotation = np.where(final == 1, 1, 0).astype(np.uint8)
    with_it = case_pictures(image, final, prototype, annotation, plan(), STRUCTURES, Modality.MR)
    without = case_pictures(image, final, prototype, None, plan(), STRUCTURES, Modality.MR)
    assert np.array_equal(with_it.image, without.image)
    changed = (with_it.prototype != without.prototype).any(axis=2)
    assert len(np.unique(with_it.prototype[changed], axis=0)) == 1
    assert with_it.prototype[changed].min() > 150
    rows = np.flatnonzero(changed.any(axis=1))
    assert changed[(rows[0] + rows[-1]) // 2].sum() == 2


def test_pixels_are_square_in_millimetres():
    image, final, prototype = scene(spacing=(0.5, 2.0, 9.0))
    pictures = case_pictures(image, final, prototype, None, plan(), STRUCTURES[:1] * 2, Modality.MR)
    outline = color_at(pictures.final, STRUCTURES[0].color)
    height, width = (np.flatnonzero(outline.any(axis=axis)) for axis in (1, 0))
    assert np.ptp(height) / np.ptp(width) == pytest.approx((20 * 2.0) / (20 * 0.5), rel=0.1)


@pytest.mark.parametrize(("slice_axis", "upwards"), [(0, False), (1, True), (2, True)])
def test_superior_is_on_top(slice_axis, upwards):
    """A bright superior (or posterior) end is on top in coronal and sagittal views, at the bottom in axial ones."""
    voxels = np.zeros((20, 20, 20), np.int16)
    half = [slice(None)] * 3
    half[1 if slice_axis == 0 else 0] = slice(10, None)
    voxels[tuple(half)] = 100
    nothing = np.zeros(voxels.shape, np.uint8)
    pictures = case_pictures(
        sitk.GetImageFromArray(voxels), nothing, nothing, None, plan(slice_axis), STRUCTURES, Modality.MR
    )
    top, bottom = pictures.image[: PIXELS // 3].mean(), pictures.image[-PIXELS // 3 :].mean()
    assert (top > bottom) == upwards


def test_ct_has_a_soft_tissue_window():
    voxels = np.full((3, 20, 20), -1000, np.int16)
    voxels[:, 5:15, 5:15] = 40
    nothing = np.zeros(voxels.shape, np.uint8)
    pictures = case_pictures(sitk.GetImageFromArray(voxels), nothing, nothing, None, plan(), STRUCTURES, Modality.CT)
    assert pictures.image[PIXELS // 2, PIXELS // 2].tolist() == [128, 128, 128]
    assert pictures.image[2, 2].tolist() == [0, 0, 0]


def test_png_is_read_back_unchanged(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    uri = png_data_uri(picture)
    (tmp_path / "p.png").write_bytes(base64.b64decode(uri.removeprefix("data:image/png;base64,")))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "p.png"))), picture)

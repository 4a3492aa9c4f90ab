from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.planning.fingerprint import fingerprint
from SemiSupervisedSegLib.planning.make_plan import make_plan
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Modality

MR = Normalization(Modality.MR)


def bright_ball(dtype: type = np.float64) -> np.ndarray:
    generator = np.random.default_rng(0)
    values = generator.normal(100, 10, (8, 20, 20))
    values[2:6, 5:15, 5:15] += 60
    return values.astype(dtype)


def test_mr_uses_the_voxels_of_the_body():
    generator = np.random.default_rng(0)
    body = generator.normal(300, 40, 20_000)
    body[:20] = 9000
    voxels = np.concatenate([np.zeros(30_000), body]).astype(np.float32)
    normal = MR.apply(voxels)
    assert abs(normal[30_020:].mean()) < 0.02
    assert abs(normal[30_020:].std() - 1) < 0.03
    assert normal.max() < 4


@pytest.mark.parametrize("padding", [-32768, -1])
def test_padding_below_all_values_is_not_part_of_the_body(padding):
    body = np.rint(np.random.default_rng(0).normal(300, 40, 20_000)).astype(np.int16)
    padded = np.concatenate([np.full(10_000, padding, np.int16), body])
    np.testing.assert_allclose(MR.apply(padded)[10_000:], MR.apply(body), atol=1e-6)


def test_ct_uses_the_study():
    normal = Normalization(Modality.CT, -100, 200, 50, 25).apply(np.array([-1000, 50, 100, 3000], dtype=np.int16))
    np.testing.assert_allclose(normal, [-6, 0, 2, 6])


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        (np.float64, 1.0, 1e9),
        (np.float64, 1e-12, 0.0),
        (np.float64, 1e28, 0.0),
        (np.int64, 1, 2**40),
        (np.uint32, 1, 2**31),
        (np.int32, 1, -(2**30)),
        (np.float32, 1e-9, 0.0),
    ],
)
def test_neither_scale_nor_offset_of_the_intensities_matters(dtype, scale, offset):
    plain = np.rint(bright_ball())
    normal = MR.apply((plain * scale + offset).astype(dtype))
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal, MR.apply(plain.astype(np.int16)), atol=1e-4)


def test_a_small_bright_part_of_a_constant_image_stays_visible():
    voxels = np.full((20, 40, 40), 7, dtype=np.int16)
    voxels[10, 20, 20:24] = 50
    normal = MR.apply(voxels)
    assert normal[10, 20, 20] - normal[0, 0, 0] > 1


def test_an_image_of_two_values_keeps_both():
    voxels = np.zeros((4, 10, 10), dtype=np.uint8)
    voxels[:, 3:7, 3:7] = 1
    normal = MR.apply(voxels)
    assert normal.max() - normal.min() > 1 and np.isfinite(normal).all()


@pytest.mark.parametrize("value", [0, 3, -5])
def test_a_constant_image_becomes_zero(value):
    assert not MR.apply(np.full((2, 3, 4), value, dtype=np.int16)).any()


def ct_plan(make_case, structures, change):
    """Return the CT normalisation of two labeled cases, the first of which `change` has edited with its classes."""
    cases = [make_case("a", shape=(16, 40, 48)), make_case("b", shape=(16, 40, 48))]
    for case in cases:
        image = read_image(case.image)
        voxels = sitk.GetArrayFromImage(image)
        change(case.id, voxels, sitk.GetArrayFromImage(sitk.ReadImage(case.annotation)))
        edited = sitk.GetImageFromArray(voxels)
        edited.CopyInformation(image)
        sitk.WriteImage(edited, case.image)
    return make_plan(fingerprint(cases, structures, lambda *at: None), Modality.CT, 3, {}).normalization


@pytest.mark.parametrize("share", [0.0002, 0.004, 0.04])
def test_metal_in_one_ct_changes_the_normalisation_of_all_by_little(make_case, structures, share):
    plain = ct_plan(make_case, structures, lambda *case: None)

    def implant(case_id: str, voxels: np.ndarray, labels: np.ndarray) -> None:
        inside = np.flatnonzero(labels)
        if case_id == "a":
            voxels.flat[np.random.default_rng(1).choice(inside, max(8, int(share * inside.size)))] = 30000

    metal = ct_plan(make_case, structures, implant)
    assert metal.std <= metal.upper - metal.lower
    assert metal.upper - metal.lower < 4 * (plain.upper - plain.lower)
    assert abs(metal.mean - plain.mean) < plain.std and metal.std < 2.5 * plain.std


def test_a_structure_of_metal_alone_leaves_the_contrast_of_the_tissues(make_case, structures):
    def saturated(case_id: str, voxels: np.ndarray, labels: np.ndarray) -> None:
        voxels[labels > 0] = 3071

    normalization = ct_plan(make_case, structures, saturated)
    normal = normalization.apply(np.array([0, 20, 3071], dtype=np.int16))
    assert normal[0] < normal[1] < normal[2]


def test_ct_images_of_one_value_are_refused(make_case, structures):
    def blank(case_id: str, voxels: np.ndarray, labels: np.ndarray) -> None:
        voxels[:] = 5

    with pytest.raises(UserError, match="value 5 everywhere"):
        ct_plan(make_case, structures, blank)

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from SemiSupervisedSegLib.planning.grid import PlanGrid
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.preprocess import (
    labels_to_plan_grid,
    probabilities_to_image_grid,
    to_plan_grid,
)
from SemiSupervisedSegLib.study import memory
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Modality

from .ellipsoids import ellipsoid
from .plans import plan_2d, plan_3d

IDENTITY = np.eye(3)
OBLIQUE = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix()
PERMUTED = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
DIRECTIONS = {"identity": IDENTITY, "oblique": OBLIQUE, "permuted": PERMUTED, "both": OBLIQUE @ PERMUTED}

# Reports HU as they are, so that intensities can be compared.
PLAIN = Normalization(Modality.CT, -1e6, 1e6, 0.0, 1.0)


def image_of(array: np.ndarray, spacing: tuple[float, float, float], direction: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-31.5, 12.25, 140.0))
    image.SetDirection(direction.ravel())
    return image


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def there_and_back(class_map: sitk.Image, plan, classes: int) -> np.ndarray:
    labels = labels_to_plan_grid(class_map, plan)
    one_hot = np.stack([(labels == label).astype(np.float32) for label in range(classes)])
    return probabilities_to_image_grid(one_hot, plan, class_map).argmax(axis=0)


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_without_resampling_classes_come_back_exactly(name, slice_axis):
    array = ellipsoid((9, 14, 17), 3)
    image = image_of(array, (0.7, 0.7, 0.7), DIRECTIONS[name])
    plan = plan_2d(slice_axis=slice_axis, spacing=(None, 0.7, 0.7), num_classes=4)
    assert not PlanGrid.of(image, plan).is_resampled
    np.testing.assert_array_equal(there_and_back(image, plan, 4), array)


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize(
    ("spacing", "target"),
    [
        ((0.6, 0.6, 3.0), (None, 1.0, 1.0)),
        ((1.4, 1.2, 10.0), (None, 0.9, 0.9)),
        ((0.8, 0.8, 1.6), (1.2, 1.0, 1.0)),
        ((1.0, 1.0, 2.5), (1.0, 0.8, 0.8)),
    ],
)
def test_resampled_classes_come_back_with_high_dice(name, spacing, target):
    array = ellipsoid((28, 48, 56), 2)
    image = image_of(array, spacing, DIRECTIONS[name])
    plan = (plan_2d if target[0] is None else plan_3d)(slice_axis=0, spacing=target)
    if plan.dimensions == 3 and name in ("permuted", "both"):
        # The thick axis is another one here, as it would be in a plan made from such cases.
        thick = int(np.argmax(PlanGrid.of(image, plan).native_spacing))
        plan = plan_3d(slice_axis=thick, spacing=target)
    back = there_and_back(image, plan, 3)
    assert PlanGrid.of(image, plan).is_resampled
    for label in (1, 2):
        assert dice(back == label, array == label) > 0.95


@pytest.mark.parametrize("name", DIRECTIONS)
def test_grid_lies_where_it_says(name):
    spacing = (0.8, 1.1, 2.3)
    template = image_of(np.zeros((12, 20, 16), dtype=np.float32), spacing, DIRECTIONS[name])
    slope = np.array([0.7, -1.3, 0.4])
    z, y, x = np.meshgrid(*(np.arange(n) for n in (12, 20, 16)), indexing="ij")
    index = np.stack([x, y, z], axis=-1) * spacing
    points = index @ DIRECTIONS[name].T + np.array(template.GetOrigin())
    image = image_of((points @ slope).astype(np.float32), spacing, DIRECTIONS[name])
    plan = plan_3d(slice_axis=1, spacing=(1.5, 0.9, 1.0), normalization=PLAIN)

    grid = PlanGrid.of(image, plan)
    voxels = to_plan_grid(image, plan)
    steps = [np.arange(n) * s for n, s in zip(grid.shape, grid.spacing, strict=True)]
    along = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    expected = (along @ np.array(grid.directions) + np.array(grid.origin)) @ slope
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(voxels[inner], expected[inner], atol=2e-3)
    for count, step, native, native_step in zip(
        grid.shape, grid.spacing, grid.native_shape, grid.native_spacing, strict=True
    ):
        assert count * step == pytest.approx(native * native_step)


def test_maps_come_back_where_they_were():
    image = image_of(np.zeros((10, 22, 26), dtype=np.int16), (1.0, 0.9, 2.0), OBLIQUE @ PERMUTED)
    plan = plan_3d(slice_axis=2, spacing=(1.3, 1.1, 0.7), normalization=PLAIN)
    grid = PlanGrid.of(image, plan)
    steps = [np.arange(n) * s for n, s in zip(grid.shape, grid.spacing, strict=True)]
    along = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    points = along @ np.array(grid.directions) + np.array(grid.origin)
    maps = np.moveaxis(points, -1, 0).astype(np.float32)

    back = probabilities_to_image_grid(maps, plan, image)
    for index in [(4, 9, 5), (12, 12, 4), (20, 3, 7)]:
        physical = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(back[:, index[2], index[1], index[0]], physical, atol=2e-3)


def test_borders_take_the_nearest_value():
    image = image_of(np.full((5, 9, 9), 7, dtype=np.uint8), (1.0, 1.0, 4.0), OBLIQUE)
    plan = plan_3d(spacing=(1.0, 0.37, 0.61), normalization=PLAIN)
    voxels = to_plan_grid(image, plan)
    assert voxels.min() == pytest.approx(7) and voxels.max() == pytest.approx(7)
    back = probabilities_to_image_grid(voxels[None], plan, image)
    np.testing.assert_allclose(back, 7, rtol=1e-5)


def test_coarsening_blurs_what_is_too_fine():
    stripes = np.zeros((8, 40, 40), dtype=np.float32)
    stripes[:, :, ::2] = 100.0
    image = image_of(stripes, (1.0, 1.0, 1.0), IDENTITY)
    voxels = to_plan_grid(image, plan_3d(spacing=(1.0, 1.0, 5.0), normalization=PLAIN))
    # Points taken without a filter would be 0 or 100.
    np.testing.assert_allclose(voxels[:, :, 1:-1], 50, atol=3)


def test_thick_slices_are_found_along_another_axis():
    array = np.arange(5 * 20 * 30, dtype=np.int16).reshape(5, 20, 30)
    image = image_of(array, (1.0, 1.0, 8.0), PERMUTED)
    voxels = to_plan_grid(image, plan_2d(normalization=PLAIN))
    assert voxels.shape[0] == 5
    assert sorted(voxels.shape[1:]) == [20, 30]


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 24, 20), (24, 20, 1), (1, 1, 1)])
def test_one_slice_and_constant_images(dtype, shape):
    image = image_of(np.full(shape, 3, dtype=dtype), (0.3, 10.0, 2.0), OBLIQUE)
    for plan in (plan_2d(), plan_3d()):
        voxels = to_plan_grid(image, plan)
        assert voxels.dtype == np.float32 and (voxels == 0).all()
        assert probabilities_to_image_grid(voxels[None], plan, image).shape == (1, *shape)


def test_maps_of_another_grid_are_refused():
    image = image_of(np.zeros((4, 20, 20), dtype=np.int16), (1.0, 1.0, 8.0), IDENTITY)
    with pytest.raises(ValueError, match="plan grid"):
        probabilities_to_image_grid(np.zeros((2, 4, 20, 21), dtype=np.float32), plan_2d(), image)


@pytest.mark.parametrize("spacing", [(1000.0, 1000.0, 2000.0), (1e-3, 1e-3, 2e-3)])
def test_an_image_in_other_units_than_the_plan_is_refused(spacing):
    image = image_of(np.zeros((4, 20, 20), dtype=np.int16), spacing, IDENTITY)
    with pytest.raises(UserError, match=r"are (1000|0\.001) mm wide, those of the training 1 mm.*in mm"):
        to_plan_grid(image, plan_2d())


def test_a_grid_that_does_not_fit_into_the_memory_is_refused(monkeypatch):
    image = image_of(np.zeros((4, 20, 20), dtype=np.int16), (30.0, 30.0, 8.0), IDENTITY)
    monkeypatch.setattr(memory, "main_memory", lambda: (10**7, 10**8))
    with pytest.raises(UserError, match=r"1,440,000 voxels .* needs 0\.0 GB"):
        to_plan_grid(image, plan_2d())


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_tiny_and_huge_voxels_are_resampled_like_others(scale):
    array = ellipsoid((12, 30, 34), 1)
    normal = {}
    for factor in (1.0, scale):
        image = image_of(array, (0.8 * factor, 0.8 * factor, 1.6 * factor), OBLIQUE)
        spacing = (1.2 * factor, 1.1 * factor, 0.9 * factor)
        normal[factor] = to_plan_grid(image, plan_3d(spacing=spacing))
        assert labels_to_plan_grid(image, plan_3d(spacing=spacing)).any()
    np.testing.assert_allclose(normal[scale], normal[1.0], atol=1e-3)


@pytest.mark.parametrize("mirrored", [(0,), (1,), (2,), (0, 1, 2)])
def test_left_handed_axes_lie_where_they_say(mirrored):
    direction = OBLIQUE.copy()
    direction[:, list(mirrored)] *= -1
    template = image_of(np.zeros((9, 14, 17), dtype=np.int16), (0.7, 0.7, 0.7), direction)
    height = [
        [[template.TransformIndexToPhysicalPoint((x, y, z))[2] for x in range(17)] for y in range(14)] for z in range(9)
    ]
    image = image_of(np.array(height, dtype=np.float32), (0.7, 0.7, 0.7), direction)
    plan = plan_2d(slice_axis=0, spacing=(None, 0.7, 0.7), normalization=PLAIN)
    grid, voxels = PlanGrid.of(image, plan), to_plan_grid(image, plan)
    for index in [(0, 0, 0), (8, 2, 11), (3, 13, 16)]:
        place = np.array(grid.origin) + (np.array(index) * grid.spacing) @ np.array(grid.directions)
        assert voxels[index] == pytest.approx(place[2], abs=1e-3)

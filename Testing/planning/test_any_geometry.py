from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SemiSupervisedSegLib.planning.grid import PlanGrid
from SemiSupervisedSegLib.planning.preprocess import (
    labels_to_plan_grid,
    probabilities_to_image_grid,
    to_plan_grid,
)

from .plans import plan_2d, plan_3d

SPACING = st.tuples(*[st.floats(0.3, 10.0)] * 3)
SHAPE = st.tuples(*[st.integers(1, 24)] * 3)
ANGLES = st.tuples(*[st.floats(-180.0, 180.0)] * 3)


@settings(max_examples=40, deadline=None)
@given(shape=SHAPE, spacing=SPACING, target=SPACING, angles=ANGLES, slice_axis=st.integers(0, 2), flat=st.booleans())
def test_any_image_reaches_its_grid_and_returns(shape, spacing, target, angles, slice_axis, flat):
    # At most a dozen new voxels for an old one, to keep the test small.
    target = tuple(max(goal, max(spacing) / 12) for goal in target)
    plan = plan_2d(spacing=(None, *target[1:])) if flat else plan_3d(spacing=target, slice_axis=slice_axis)
    generator = np.random.default_rng(0)
    classes = generator.integers(0, 3, shape).astype(np.uint8)
    image = sitk.GetImageFromArray(classes)
    image.SetSpacing(spacing)
    image.SetDirection(Rotation.from_euler("xyz", angles, degrees=True).as_matrix().ravel())

    grid = PlanGrid.of(image, plan)
    np.testing.assert_array_equal(grid.restore(grid.arrange(classes)), classes)
    voxels, labels = to_plan_grid(image, plan), labels_to_plan_grid(image, plan)
    assert voxels.shape == labels.shape == grid.shape and np.isfinite(voxels).all()
    assert set(np.unique(labels)) <= set(np.unique(classes))

    shares = np.stack([(labels == label).astype(np.float32) for label in range(3)])
    back = probabilities_to_image_grid(shares, plan, image)
    assert back.shape == (3, *shape)
    # Every point lies inside, so that the shares of the classes always add up to one.
    np.testing.assert_allclose(back.sum(axis=0), 1, atol=1e-4)
    if not grid.is_resampled:
        np.testing.assert_array_equal(back.argmax(axis=0), classes)

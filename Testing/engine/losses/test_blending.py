from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.blending import blended_classes


@pytest.mark.parametrize("size", [(9, 7), (5, 6, 4)])
def test_the_rarer_a_class_the_less_its_cubes_count(size):
    z, cubes = torch.randn(2, 3, 4, *size, dtype=torch.float64)
    frequencies = np.array([1000.0, 250.0, 3.0, 0.0])
    expected = np.zeros((3, *size), dtype=int)
    for image, *voxel in np.ndindex(3, *size):
        at = (image, slice(None), *voxel)
        whole, cube = z[at].numpy(), cubes[at].numpy()
        w = frequencies[whole.argmax()] / 1000
        expected[(image, *voxel)] = ((1 - w) * whole + w * cube).argmax()
    assert (blended_classes(z, cubes, torch.from_numpy(frequencies)).numpy() == expected).all()


def test_without_frequencies_whole_images_decide():
    z, cubes = torch.randn(2, 2, 3, 6, 6)
    assert torch.equal(blended_classes(z, cubes, torch.zeros(3)), z.argmax(dim=1))

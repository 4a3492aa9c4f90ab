from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.data.randomness import torch_generator_at
from SemiSupervisedSegLib.engine.data.rotations import rotate_and_flip, rotate_and_flip_2d, rotate_and_flip_3d


def batch(shape: tuple[int, ...], count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images whose every voxel differs, with labels that say which half of the values it is in."""
    images = torch.rand((count, 1, *shape), generator=torch.Generator().manual_seed(3))
    return images, (images[:, 0] > 0.5).long()


@pytest.mark.parametrize("shape", [(4, 12, 12), (4, 10, 14)])
def test_3d_moves_whole_voxels_with_their_labels(shape):
    images, labels = batch(shape)
    new_images, new_labels = rotate_and_flip(images, labels, torch_generator_at(1, "x", 0))
    assert new_images.shape == images.shape and new_labels.dtype == torch.int64
    torch.testing.assert_close(new_labels, (new_images[:, 0] > 0.5).long())
    for before, after in zip(images, new_images, strict=True):
        for plane, new_plane in zip(before[0], after[0], strict=True):
            assert torch.equal(plane.flatten().sort().values, new_plane.flatten().sort().values)
        assert not torch.equal(before, after)


def test_3d_reaches_the_four_mirror_images():
    # Turning by k times 90 degrees and flipping once always mirrors, as published.
    images = torch.arange(4.0).view(1, 1, 1, 2, 2).repeat(200, 1, 1, 1, 1)
    new_images, _ = rotate_and_flip_3d(images, None, torch_generator_at(0, "x", 0))
    reached = {tuple(image.flatten().tolist()) for image in new_images}
    assert reached == {(0, 2, 1, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 1, 2, 0)}


def test_2d_turns_half_of_the_samples_by_small_angles():
    count, size = 200, 64
    images = torch.zeros((count, 1, size, size))
    images[:, :, size // 2 - 1 : size // 2 + 1, 8 : size - 8] = 1.0
    new_images, _ = rotate_and_flip_2d(images, None, torch_generator_at(5, "x", 1))
    exact = [bool(((image == 0) | (image == 1)).all()) for image in new_images]
    assert 0.35 < np.mean(exact) < 0.65
    rows = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    angles = []
    for image, is_exact in zip(new_images[:, 0], exact, strict=True):
        if is_exact:
            continue
        weight = image / image.sum()
        yy, xx, xy = (
            (weight.sum(1) * rows**2).sum(),
            (weight.sum(0) * rows**2).sum(),
            (weight * rows[:, None] * rows[None]).sum(),
        )
        angles.append(0.5 * np.degrees(np.arctan2(2 * float(xy), float(xx - yy))))
    assert np.abs(angles).max() <= 20.5 and np.max(angles) > 15 and np.min(angles) < -15


@pytest.mark.parametrize("shape", [(48, 48), (32, 64)])
def test_2d_keeps_labels_on_their_image(shape):
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    disc = torch.from_numpy(((rows - 0.2) ** 2 / 0.2 + (columns + 0.1) ** 2 / 0.1 < 1).astype(np.float32))
    images = disc.expand(40, 1, *shape).contiguous() * 3 - 2
    labels = disc.long().expand(40, *shape).contiguous()
    new_images, new_labels = rotate_and_flip(images, labels, torch_generator_at(2, "x", 2))
    agreement = ((new_images[:, 0] > -0.5) == (new_labels == 1)).float().mean(dim=(1, 2))
    assert agreement.min() > 0.97
    # A wrong aspect ratio would change the area of the disc.
    areas = new_labels.float().sum(dim=(1, 2)) / labels.float().sum(dim=(1, 2))
    assert (areas - 1).abs().max() < 0.06
    assert new_images.min() >= -2 - 1e-5


def test_corners_are_filled_with_the_minimum():
    images = torch.full((30, 1, 32, 32), 5.0)
    images[:, :, 16, 16] = -1.5
    new_images, _ = rotate_and_flip_2d(images, None, torch_generator_at(0, "x", 0))
    corners = new_images[:, 0, 0, 0]
    assert corners.min() == -1.5 and corners.max() == 5.0
    assert new_images.min() >= -1.5 and new_images.max() <= 5.0 + 1e-5


def test_same_generator_same_result():
    images, labels = batch((16, 16))
    first = rotate_and_flip(images, labels, torch_generator_at(1, "x", 7))
    second = rotate_and_flip(images, labels, torch_generator_at(1, "x", 7))
    other = rotate_and_flip(images, labels, torch_generator_at(1, "x", 8))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])

"""Voxels near boundaries, and random ones among them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from SemiSupervisedSegLib.engine.losses.sampling import draw_voxels, features_at, near_boundary


def blob(size, classes=2):
    """Return labels of a ball in the middle, in shells of the structures."""
    axes = np.meshgrid(*[np.arange(side) - side / 2 for side in size], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes)) / min(size)
    return torch.from_numpy(np.clip((classes - 2.9 * classes * radius), 0, classes - 1).astype(np.int64))


@pytest.mark.parametrize("size", [(20, 17), (12, 9, 10)])
def test_the_band_is_where_the_dilated_structure_and_the_dilated_background_overlap(size):
    labels = torch.stack([blob(size), torch.randint(2, size)])
    cube = np.ones((3,) * len(size))
    for ours, label in zip(near_boundary(labels), labels.numpy() == 1, strict=True):
        expected = ndimage.binary_dilation(label, cube) & ndimage.binary_dilation(~label, cube)
        assert np.array_equal(ours.numpy(), expected)
    band, structure = near_boundary(labels)[0], labels[0] == 1
    assert (band & structure).any()
    assert (band & ~structure).any()


@pytest.mark.parametrize("size", [(20, 17), (12, 9, 10)])
def test_the_band_of_several_structures_is_where_two_classes_meet(size):
    labels = blob(size, 4)
    ours = near_boundary(labels.unsqueeze(0))[0].numpy()
    for place in np.ndindex(*size):
        around = labels[tuple(slice(max(0, i - 1), i + 2) for i in place)]
        assert ours[place] == (len(around.unique()) > 1)


@pytest.mark.parametrize("size", [(9, 8), (6, 5, 7)])
def test_the_released_band_reaches_backward_only(size):
    labels = blob(size, 3)
    ours = near_boundary(labels.unsqueeze(0), one_sided=True)[0].numpy()
    for place in np.ndindex(*size):
        behind = labels[tuple(slice(max(i - 1, 0), i + 1) for i in place)]
        assert ours[place] == (len(behind.unique()) > 1)


def test_an_image_without_structure_has_no_boundary():
    assert not near_boundary(torch.zeros(2, 6, 6, dtype=torch.long)).any()
    assert not near_boundary(torch.full((1, 4, 4, 4), 3)).any()


@pytest.mark.parametrize("count", [5, 40, 10_000])
def test_voxels_are_drawn_from_the_mask_without_repetition(count):
    mask = torch.zeros(3, 8, 9, dtype=torch.bool)
    mask[0, 2:6, 3:7] = True
    mask[2] = True
    indices, counted = draw_voxels(mask, count)
    assert indices.shape == counted.shape == (3, min(count, 72))
    assert counted.sum(dim=1).tolist() == [min(count, 16), 0, min(count, 72)]
    for image in range(3):
        chosen = indices[image][counted[image]]
        assert len(chosen.unique()) == len(chosen)
        assert mask[image].flatten()[chosen].all()


def test_every_voxel_of_the_mask_can_be_drawn():
    mask = torch.ones(1, 4, 4, dtype=torch.bool)
    drawn = torch.cat([draw_voxels(mask, 4)[0] for _ in range(60)])
    assert len(drawn.unique()) == 16


@pytest.mark.parametrize("size", [(7, 5), (4, 5, 3)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_features_that_tell_their_class_still_do_when_voxels_are_picked(size, channels_last):
    """Channels must not be mixed with voxels: channel l of a voxel of class y holds 10 l + y."""
    labels = torch.randint(4, (2, *size))
    features = 10.0 * torch.arange(6).view(1, 6, *(1,) * len(size)) + labels.unsqueeze(1)
    if channels_last:
        features = features.contiguous(memory_format=(torch.channels_last, torch.channels_last_3d)[len(size) - 2])
    indices, _ = draw_voxels(near_boundary(labels), 20)
    vectors = features_at(features, indices)
    classes = labels.flatten(1).gather(1, indices)
    assert torch.equal(vectors, 10.0 * torch.arange(6) + classes.unsqueeze(2))

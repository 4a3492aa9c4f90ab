"""Masks that mix two images, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.parts.masks import cutmix_mask, outside_a_box, paste
from SemiSupervisedSegLib.engine.methods.unisemi_paper import mixture

KINDS = ("zero_centered", "slices", "random")
SIZES = [(48, 40), (24, 30, 36)]


def pasted_share(kind: str, size: tuple[int, ...], smallest: float, largest: float) -> torch.Tensor:
    images = torch.zeros(1, 1, *size)
    return torch.stack([1 - cutmix_mask(images, kind, smallest, largest).mean() for _ in range(200)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_unmixing_gives_the_images_back(kind, size):
    images = torch.randn(4, 1, *size)
    labels = torch.randint(0, 5, (4, *size))
    keep = cutmix_mask(images, kind, 0.3, 0.7)
    assert keep.shape == size
    assert set(keep.unique().tolist()) == {0.0, 1.0}
    for values in (images, labels):
        mixed = mixture(values, keep)
        rest = mixture(values, 1 - keep)
        assert torch.equal(paste(mixed, rest, keep), values)
        assert torch.equal(paste(rest, mixed, keep), values.roll(1, dims=0))
        assert not torch.equal(mixed, values)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["slices", "random"])
def test_slices_and_cubes_cover_the_share_that_is_asked_for(kind, size):
    shares = pasted_share(kind, size, 0.3, 0.7)
    assert shares.mean().item() == pytest.approx(0.5, abs=0.04)
    assert pasted_share(kind, size, 0.4, 0.4).mean().item() == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("size", SIZES)
def test_a_box_has_the_share_of_each_side(size):
    shares = pasted_share("zero_centered", size, 0.5, 0.5)
    assert shares.unique().numel() == 1
    assert shares[0].item() == pytest.approx(0.5 ** len(size), rel=0.1)


def test_a_box_is_in_one_piece_and_moves():
    masks = [cutmix_mask(torch.zeros(1, 1, 32, 32), "zero_centered", 0.5, 0.5) for _ in range(20)]
    places = set()
    for mask in masks:
        rows, columns = torch.nonzero(mask == 0, as_tuple=True)
        assert (mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == 0).all()
        places.add((int(rows.min()), int(columns.min())))
    assert len(places) > 5


def test_slices_are_whole():
    mask = cutmix_mask(torch.zeros(1, 1, 12, 8, 8), "slices", 0.5, 0.5)
    assert ((mask.flatten(1) == mask.flatten(1)[:, :1]).all(dim=1)).all()
    assert mask[:, 0, 0].sum() == 6


def test_cubes_have_a_side_of_six():
    mask = cutmix_mask(torch.zeros(1, 1, 20, 13), "random", 0.5, 0.5)
    for rows in mask.split(6):
        for cube in rows.split(6, dim=1):
            assert cube.unique().numel() == 1


@pytest.mark.parametrize("size", [(32, 24), (16, 16, 20)])
def test_the_box_takes_two_thirds_of_each_side_and_moves(size):
    masks = [outside_a_box(torch.zeros(1, 1, *size), 2 / 3) for _ in range(8)]
    for mask in masks:
        inside = np.argwhere(mask.numpy() == 0)
        assert (np.ptp(inside, axis=0) + 1).tolist() == [int(2 / 3 * side) for side in size]
        assert len(inside) == np.prod([int(2 / 3 * side) for side in size]), "a box without holes"
    assert len({mask.numpy().tobytes() for mask in masks}) > 1


def test_pasting_back_gives_the_images_again():
    first, second = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    keep = outside_a_box(first, 2 / 3)
    mixed, other = paste(first, second, keep), paste(second, first, keep)
    assert torch.equal(paste(mixed, other, keep), first)
    assert torch.equal(paste(other, mixed, keep), second)

from __future__ import annotations

import itertools
import math

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.global_branch import PatchAttention, place_encoding, to_patches


def patches_of(maps):
    """The patches of each image as lists of places, one after the other along the last axis first."""
    size = maps.shape[2:]
    starts = itertools.product(*(range(0, side, 8) for side in size))
    found = []
    for start in starts:
        patch = maps.new_zeros(*maps.shape[:2], *(8,) * len(size))
        part = maps[(..., *(slice(begin, begin + 8) for begin in start))]
        patch[(..., *(slice(side) for side in part.shape[2:]))] = part
        found.append((start, patch.flatten(1)))
    return found


@pytest.mark.parametrize("size", [(16, 24), (12, 9), (8, 9, 16)])
def test_patches_attend_to_each_other(size):
    layer, maps = PatchAttention(len(size), 3).double().eval(), torch.randn(2, 3, *size, dtype=torch.float64)
    patches = {name: patches_of(getattr(layer, name)(maps)) for name in ("query", "key", "value")}
    places = place_encoding(torch.empty(1, len(patches["key"]), 3 * 8 ** len(size), dtype=torch.float64))
    attended = torch.zeros_like(maps)
    for index, (start, query) in enumerate(patches["query"]):
        scores = [
            ((query + places[index]) * (key + places[other])).sum(dim=1) / math.sqrt(query.shape[1])
            for other, (_, key) in enumerate(patches["key"])
        ]
        shares = torch.stack(scores).softmax(dim=0)
        values = torch.stack([value for _, value in patches["value"]])
        result = (shares.unsqueeze(2) * values).sum(dim=0).view(2, 3, *(8,) * len(size))
        target = attended[(..., *(slice(begin, begin + 8) for begin in start))]
        target.copy_(result[(..., *(slice(side) for side in target.shape[2:]))])
    flat = attended.flatten(1)
    mean, variance = flat.mean(dim=1, keepdim=True), flat.var(dim=1, unbiased=False, keepdim=True)
    expected = ((flat - mean) / (variance + 1e-5).sqrt()).clamp(min=0).view_as(maps)
    torch.testing.assert_close(layer(maps), expected, rtol=0, atol=1e-10)


def test_patches_beyond_the_end_are_zero():
    patches = to_patches(torch.ones(1, 2, 8, 10))
    assert patches.shape == (1, 2, 128)
    assert patches[0, 1].view(2, 8, 8).sum(dim=(0, 1)).tolist() == [16.0] * 2 + [0.0] * 6


def test_places_are_told_by_sines_and_cosines():
    table = place_encoding(torch.empty(1, 5, 6))
    for place, row in enumerate(table.tolist()):
        for each in range(3):
            angle = place / 10000 ** (2 * each / 6)
            assert row[2 * each : 2 * each + 2] == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-6)

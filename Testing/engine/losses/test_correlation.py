from __future__ import annotations

import math

import torch

from SemiSupervisedSegLib.engine.losses import correlation
from SemiSupervisedSegLib.engine.losses.correlation import agreed_voxels, correlation_consistency


def test_values_and_gradients_into_both(monkeypatch):
    monkeypatch.setattr(correlation, "CHUNK", 2)
    vanilla, auxiliary = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    memory = torch.randn(4, 3, dtype=torch.float64)
    value = correlation_consistency(vanilla, auxiliary, memory)
    expected = 0.0
    for f, g in zip(vanilla.tolist(), auxiliary.tolist(), strict=True):
        r, s = (
            [math.exp(sum(a * b for a, b in zip(x, m, strict=True)) / 0.1) for m in memory.tolist()] for x in (f, g)
        )
        expected -= sum(b / sum(s) * math.log(a / sum(r) + 1e-8) for a, b in zip(r, s, strict=True)) / 5
    assert abs(value.item() - expected) < 1e-9
    value.backward()
    assert vanilla.grad.abs().max() > 0
    assert auxiliary.grad.abs().max() > 0


def test_the_surest_voxels_of_the_first_network_that_the_second_confirms():
    vanilla, auxiliary = torch.randn(2, 2, 3, 7, 6)
    found = agreed_voxels(vanilla, auxiliary, most=6)
    p, other = vanilla.softmax(dim=1), auxiliary.argmax(dim=1)
    for label, places in enumerate(found):
        surest = {}
        for image in range(2):
            for row in range(7):
                for column in range(6):
                    if p[image, :, row, column].argmax() == other[image, row, column] == label:
                        surest[(image * 7 + row) * 6 + column] = p[image, label, row, column].item()
        assert places.tolist() == sorted(surest, key=surest.__getitem__, reverse=True)[:6]

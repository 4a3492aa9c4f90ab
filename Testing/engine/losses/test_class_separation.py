"""The contrast of features with the memory of their class, pair by pair."""

from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.losses.class_separation import class_separation

from .. import reference
from ..reference import array


@pytest.mark.parametrize("weighted", [False, True])
def test_class_separation_is_the_mean_over_all_pairs(weighted):
    torch.manual_seed(2)
    queries, keys = torch.randn(7, 5), torch.randn(4, 5)
    attention, key_attention = torch.rand(7), torch.rand(4) if weighted else torch.ones(4)
    expected = reference.separation(*map(array, (queries, attention, keys, key_attention)))
    assert class_separation(queries, attention, keys, key_attention).item() == pytest.approx(expected, abs=1e-5)

from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.methods.parts.views import strong_view


@pytest.mark.parametrize("size", [(16, 12), (8, 12, 10)])
def test_a_strong_view_differs_from_its_image_and_from_the_next_one(size):
    images = torch.randn(3, 1, *size)
    before = images.clone()
    first, second = strong_view(images, 2.5), strong_view(images, 2.5)
    assert torch.equal(images, before)
    assert all(not torch.equal(*pair) for pair in zip(first, images, strict=True))
    assert not torch.equal(first, second)


def test_views_of_one_seed_are_the_same():
    images, views = torch.randn(3, 1, 16, 12), []
    for _ in range(2):
        torch.manual_seed(5)
        views.append(strong_view(images))
    assert torch.equal(*views)

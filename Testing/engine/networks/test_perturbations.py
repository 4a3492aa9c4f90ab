from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.perturbations import FeatureDropout, FeatureNoise


@pytest.mark.parametrize("size", [(40, 30), (10, 12, 11)])
def test_noise_is_uniform_and_proportional_and_the_same_for_all_images(size):
    maps = torch.rand(3, 8, *size, dtype=torch.float64) + 1
    noise = FeatureNoise()(maps) / maps - 1
    assert torch.allclose(noise, noise[:1].expand_as(noise))
    assert noise.abs().max() <= 0.3
    assert noise.abs().mean().item() == pytest.approx(0.15, abs=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("size", [(20, 30), (7, 8, 9)])
def test_the_places_of_highest_attention_are_dropped(size):
    maps = torch.rand(2, 5, *size, dtype=torch.float64)
    for _ in range(20):
        kept = FeatureDropout()(maps)
        attention = maps.mean(dim=1)
        dropped = (kept == 0).all(dim=1)
        assert torch.equal(kept[:, 0][~dropped], maps[:, 0][~dropped])
        for image in range(2):
            highest = attention[image].max()
            assert dropped[image][attention[image] >= 0.9 * highest].all()
            assert not dropped[image][attention[image] < 0.7 * highest].any()


def test_nothing_is_disturbed_in_evaluation_mode():
    maps = torch.randn(2, 3, 4, 4)
    for disturbance in (FeatureNoise(), FeatureDropout()):
        assert disturbance.eval()(maps) is maps

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional

from SemiSupervisedSegLib.engine.data import intensity_augmentation as module
from SemiSupervisedSegLib.engine.data.intensity_augmentation import intensity_augmentation
from SemiSupervisedSegLib.engine.data.randomness import torch_generator_at

SHAPES = [(6, 1, 32, 48), (3, 1, 16, 24, 24)]


def generator(position: int = 0) -> torch.Generator:
    return torch_generator_at(1, "x", position)


def images_of(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes some transformations certain and the others impossible."""

    def choose(*names: str) -> None:
        for each in ("NOISE", "BLUR", "LOW_RESOLUTION", "BRIGHTNESS", "CONTRAST", "GAMMA"):
            monkeypatch.setattr(module, f"{each}_PROBABILITY", float(each in names))

    return choose


@pytest.mark.parametrize("shape", SHAPES)
def test_without_strength_nothing_changes(shape: tuple[int, ...]) -> None:
    images = images_of(shape)
    assert torch.equal(intensity_augmentation(images, generator(), strength=0.0), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_images_change_by_the_generator_alone_and_the_given_ones_stay(shape: tuple[int, ...]) -> None:
    images = images_of(shape)
    before = images.clone()
    first = intensity_augmentation(images, generator(3), strength=3.0)
    with torch.autocast("cpu", torch.bfloat16):
        second = intensity_augmentation(images, generator(3), strength=3.0)
    assert torch.equal(images, before) and torch.equal(first, second)
    assert not any(torch.equal(old, new) for old, new in zip(images, first, strict=True))
    assert not torch.equal(first, intensity_augmentation(images, generator(4), strength=3.0))


def test_noise_is_white_and_of_the_given_strength(only) -> None:
    only("NOISE")
    images = images_of((200, 1, 16, 16))
    noise = intensity_augmentation(images, generator()) - images
    deviations = noise.flatten(1).std(dim=1)
    assert 0.25 < deviations.max() < module.LARGEST_NOISE * 1.15 and deviations.min() < 0.05
    assert noise.mean().abs() < 0.01 and (noise[:, :, 1:] * noise[:, :, :-1]).mean().abs() < 0.002


def test_brightness_and_contrast_are_linear(only) -> None:
    only("BRIGHTNESS", "CONTRAST")
    images = images_of((60, 1, 16, 16))
    changed = intensity_augmentation(images, generator())
    factors, shifts = [], []
    for old, new in zip(images.flatten(1).double().numpy(), changed.flatten(1).double().numpy(), strict=True):
        factor, offset = np.polyfit(old, new, 1)
        np.testing.assert_allclose(new, factor * old + offset, atol=1e-5)
        factors.append(factor)
        shifts.append(new.mean() - old.mean())
    assert 1 / module.LARGEST_CONTRAST <= min(factors) < 0.85 and 1.15 < max(factors) <= module.LARGEST_CONTRAST
    assert -module.LARGEST_SHIFT - 1e-6 <= min(shifts) < -0.2 and 0.2 < max(shifts) <= module.LARGEST_SHIFT + 1e-6


def test_gamma_keeps_order_mean_and_deviation(only) -> None:
    only("GAMMA")
    images = images_of((40, 1, 16, 16))
    changed = intensity_augmentation(images, generator())
    bends = []
    for old, new in zip(images.flatten(1), changed.flatten(1), strict=True):
        assert torch.equal(old.argsort(), new.argsort())
        torch.testing.assert_close([new.mean(), new.std()], [old.mean(), old.std()], atol=1e-4, rtol=1e-4)
        scaled_old, scaled_new = ((values - values.min()) / (values.max() - values.min()) for values in (old, new))
        middle = (scaled_old > 0.2) & (scaled_old < 0.8)
        powers = scaled_new[middle].log() / scaled_old[middle].log()
        inverted = (1 - scaled_new[middle]).log() / (1 - scaled_old[middle]).log()
        # One of the two is the same number for all voxels.
        power = min(powers, inverted, key=torch.std)
        assert power.std() < 1e-3 and 1 / module.LARGEST_GAMMA < power.mean() < module.LARGEST_GAMMA
        bends.append(powers.std() > inverted.std())
    assert 0 < sum(bends) < 20, "fewer are inverted than not"


@pytest.mark.parametrize("deviation", [0.5, 1.0])
def test_blurs_are_gaussian(deviation: float) -> None:
    matrix = module._blur_matrices(32, torch.tensor([deviation, 0.0]))
    signal = torch.rand(32, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter1d(signal.double().numpy(), deviation, truncate=10)
    np.testing.assert_allclose((matrix[0] @ signal)[6:-6], expected[6:-6], atol=1e-5)
    assert torch.equal(matrix[1] @ signal, signal)
    torch.testing.assert_close(matrix.sum(dim=2), torch.ones(2, 32))


def test_a_low_resolution_is_linear_sampling_down_and_up() -> None:
    matrix = module._low_resolution_matrices(32, torch.tensor([2.0, 1.0]))
    signal = torch.rand((1, 1, 1, 32), generator=torch.Generator().manual_seed(0))
    coarse = functional.interpolate(signal, size=(1, 16), mode="bilinear", antialias=True)
    expected = functional.interpolate(coarse, size=(1, 32), mode="bilinear")
    torch.testing.assert_close((matrix[0] @ signal[0, 0, 0])[4:-4], expected[0, 0, 0, 4:-4], atol=1e-5, rtol=0)
    assert torch.equal(matrix[1] @ signal[0, 0, 0], signal[0, 0, 0])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_slices_are_blurred_in_their_plane_when_they_are_thick(only, layout: torch.memory_format) -> None:
    only("BLUR", "LOW_RESOLUTION")
    images = torch.zeros(2, 1, 16, 16, 16)
    images[:, :, 8] = images_of((16, 16))
    images = images.contiguous(memory_format=layout)
    thick = intensity_augmentation(images, generator(), spacing=(3.0, 1.0, 1.0))
    thin = intensity_augmentation(images, generator(), spacing=(1.0, 1.0, 1.0))
    assert not torch.allclose(thick[:, :, 8], images[:, :, 8], atol=1e-2)
    assert torch.equal(thick[:, :, 7], images[:, :, 7]) and thin[:, :, 7].abs().max() > 0.01


def test_a_constant_image_stays_finite() -> None:
    changed = intensity_augmentation(torch.full((20, 1, 16, 16), 2.5), generator(), strength=3.0)
    assert changed.isfinite().all() and math.isclose(changed.mean(), 2.5, abs_tol=0.5)

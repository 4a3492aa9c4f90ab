from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from SemiSupervisedSegLib.engine.data import spatial_augmentation as module
from SemiSupervisedSegLib.engine.data.randomness import torch_generator_at
from SemiSupervisedSegLib.engine.data.spatial_augmentation import sampling_grid, spatial_augmentation

CASES = {
    "2D": ((48, 48), (None, 1.5, 1.5)),
    "2D, not square": ((32, 64), (None, 1.0, 1.0)),
    "3D": ((16, 32, 32), (1.5, 1.0, 1.0)),
    "3D, thick slices": ((16, 32, 32), (8.0, 1.0, 1.0)),
}
STRONG = 4.0
"""With this strength nearly every sample is rotated, scaled and deformed."""


def generator(position: int = 0) -> torch.Generator:
    return torch_generator_at(1, "x", position)


def ball(shape: tuple[int, ...], spacing: tuple[float, ...], radius: float) -> torch.Tensor:
    """Return a smooth ball in the middle of a volume, above 0.5 inside of a radius in mm."""
    axes = [(np.arange(side) - (side - 1) / 2) * step for side, step in zip(shape, spacing, strict=True)]
    distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    return torch.from_numpy(1 / (1 + np.exp((distance - radius) / 2))).float()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes one transformation certain and the others impossible."""

    def choose(name: str) -> None:
        for each in ("ROTATION", "SCALING", "DEFORMATION"):
            monkeypatch.setattr(module, f"{each}_PROBABILITY", float(each == name))

    return choose


@pytest.mark.parametrize("case", CASES)
def test_labels_stay_on_their_image(case: str) -> None:
    shape, spacing = CASES[case]
    smooth = torch.nn.functional.interpolate(
        torch.rand((12, 1, *(side // 8 for side in shape)), generator=torch.Generator().manual_seed(1)),
        size=shape,
        mode="bilinear" if len(shape) == 2 else "trilinear",
    )
    labels = (smooth[:, 0] > 0.5).long() * 3
    new_images, new_labels = spatial_augmentation(smooth, labels, generator(), spacing=spacing, strength=STRONG)
    assert new_images.shape == smooth.shape and new_labels.shape == labels.shape
    assert new_images.dtype == torch.float32 and new_labels.dtype == torch.int64
    inside = new_images[:, 0] > smooth.flatten(1).amin(dim=1).view(-1, *(1,) * len(shape)) + 1e-6
    agreement = (new_images[:, 0] > 0.5) == (new_labels == 3)
    assert agreement[inside].float().mean() > 0.95
    assert not torch.equal(new_labels, labels)


@pytest.mark.parametrize("shape", [(16, 16), (16, 176), (16, 16, 32)])
def test_labels_are_never_mixed_and_any_number_survives(shape: tuple[int, ...]) -> None:
    values = torch.tensor([0, 1, 2, 255, -1])
    labels = values[torch.randint(5, (3, *shape), generator=torch.Generator().manual_seed(0))]
    images = labels[:, None].float()
    new_images, new_labels = spatial_augmentation(images, labels, generator(), strength=STRONG)
    assert set(new_labels.unique().tolist()) == set(values.tolist())
    assert new_images.min() >= -1 and new_images.max() <= 255 + 1e-3
    alone, nothing = spatial_augmentation(images, None, generator(), strength=STRONG)
    assert nothing is None and torch.equal(alone, new_images)


def test_without_strength_rows_and_columns_are_mirrored_and_slices_are_not() -> None:
    image = torch.arange(2 * 2 * 2.0).view(1, 1, 2, 2, 2)
    mirrored, _ = spatial_augmentation(image.repeat(60, 1, 1, 1, 1), None, generator(), strength=0.0)
    expected = {tuple(image.flip(axes).flatten().tolist()) for axes in ((), (-1,), (-2,), (-2, -1))}
    assert {tuple(each.flatten().round(decimals=4).tolist()) for each in mirrored} == expected


def test_a_kept_orientation_is_tilted_and_never_mirrored(only) -> None:
    only("ROTATION")
    slope = torch.arange(32.0).expand(1, 1, 32, 32)
    kept, _ = spatial_augmentation(slope.repeat(60, 1, 1, 1), None, generator(), keep_orientation=True)
    middle = kept[:, 0, 12:20, 12:20]
    across, down = middle.diff(dim=2).mean((1, 2)), middle.diff(dim=1).mean((1, 2))
    tilts = torch.atan2(down, across).abs()
    assert 0.3 < float(tilts.max()) <= module.LARGEST_TILT + 1e-3
    still, _ = spatial_augmentation(slope.repeat(20, 1, 1, 1), None, generator(), strength=0.0, keep_orientation=True)
    assert torch.allclose(still, slope.expand(20, 1, 32, 32), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((40, 80), (None, 2.0, 1.0)), ((24, 40, 48), (2.0, 1.2, 1.0)), ((9, 64, 64), (9.0, 1.0, 1.0))],
)
def test_rotations_are_rotations_in_millimetres(only, shape, spacing) -> None:
    only("ROTATION")
    steps = [step for step in spacing if step is not None]
    images = ball(shape, steps, radius=14).expand(6, 1, *shape).contiguous()
    rotated, _ = spatial_augmentation(images, None, generator(), spacing=spacing)
    # Interpolation between voxels, and the fill of the corners, change a little.
    assert (rotated - images).abs().max() < 0.08


def test_sizes_change_by_the_zoom_alone(only) -> None:
    only("SCALING")
    images = ball((64, 64), (1, 1), radius=14).expand(200, 1, 64, 64).contiguous()
    scaled, _ = spatial_augmentation(images, None, generator())
    rows, columns = ((scaled[:, 0] > 0.5).sum(dim).amax(dim=1) / 28 for dim in (1, 2))
    largest = module.LARGEST_ZOOM * module.LARGEST_ANISOTROPY
    assert 1.3 < float(torch.max(rows.max(), columns.max())) < largest + 0.08
    assert 1 / largest - 0.08 < float(torch.min(rows.min(), columns.min())) < 0.8
    assert 1.05 < float((rows / columns).max()) < module.LARGEST_ANISOTROPY**2 + 0.08


def test_thick_slices_are_not_mixed() -> None:
    images = torch.arange(1, 17.0).view(1, 1, 16, 1, 1).expand(4, 1, 16, 32, 32).contiguous()
    thick, _ = spatial_augmentation(images, None, generator(), spacing=(3.0, 1.0, 1.0), strength=STRONG)
    assert torch.isclose(thick, images, atol=1e-4).float().mean() > 0.3
    assert ((thick <= images + 1e-4) & (thick >= 1 - 1e-4)).all(), "between the slice itself and the fill"
    thin, _ = spatial_augmentation(images, None, generator(), spacing=(2.9, 1.0, 1.0), strength=STRONG)
    assert (thin > images + 0.1).any()


@pytest.mark.parametrize(("size", "intervals"), [(16, 1), (48, 5), (7, 3)])
def test_deformations_are_cubic_b_splines(size: int, intervals: int) -> None:
    weights = module._spline_weights(size, intervals, torch.device("cpu"))
    knots = np.arange(-3, intervals + 4.0)
    places = (np.arange(size) + 0.5) * intervals / size
    expected = BSpline.design_matrix(places, knots, 3).toarray()
    np.testing.assert_allclose(weights.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(48, 96), (24, 24, 48)])
def test_deformations_never_fold(only, shape: tuple[int, ...]) -> None:
    only("DEFORMATION")
    grid = sampling_grid(6, shape, (1.0,) * len(shape), generator(), STRONG, torch.device("cpu"))
    places = grid.flip(-1) * torch.tensor(shape) / 2
    steps = torch.stack(torch.gradient(places, dim=tuple(range(1, len(shape) + 1))), dim=-1)
    # Mirroring turns the sign of a whole sample.
    signed = torch.linalg.det(steps).flatten(1)
    signed = signed * signed.mean(dim=1, keepdim=True).sign()
    assert signed.min() > 0
    assert signed.min() < 0.8, "something was deformed"


def test_what_comes_from_outside_is_the_minimum_and_background() -> None:
    images = torch.full((30, 1, 32, 32), 5.0)
    images[:, :, 16, 16] = -1.5
    labels = torch.full((30, 32, 32), 2)
    new_images, new_labels = spatial_augmentation(images, labels, generator(), strength=STRONG)
    corners = new_images[:, 0, 0, 0]
    assert corners.min() == -1.5 and torch.equal(corners < 1.75, new_labels[:, 0, 0] == 0)


def test_the_same_generator_gives_the_same_result_whatever_autocast_says() -> None:
    images = torch.rand((4, 1, 32, 32), generator=torch.Generator().manual_seed(3))
    first, _ = spatial_augmentation(images, None, generator(7))
    with torch.autocast("cpu", torch.bfloat16):
        second, _ = spatial_augmentation(images, None, generator(7))
    other, _ = spatial_augmentation(images, None, generator(8))
    assert torch.equal(first, second) and not torch.equal(first, other)

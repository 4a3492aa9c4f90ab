from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.inference import sliding_window
from SemiSupervisedSegLib.engine.inference.prototype_classifiers import CosineClassifier
from SemiSupervisedSegLib.engine.inference.sliding_window import mirrored_axes_of, overlap_of_windows, predict_grid
from SemiSupervisedSegLib.engine.networks.output import NetworkOutput

SIZES_3D = [(5, 9, 7), (16, 16, 16), (20, 37, 16), (33, 8, 50)]
# Slices are taken whole, with sides that networks can halve four times and never below the patch.
WHOLE_2D = {(1, 20, 20): (32, 32), (3, 32, 32): (32, 32), (5, 50, 33): (64, 48), (2, 7, 70): (32, 80)}


@pytest.mark.parametrize(
    ("patch", "size"), [((16, 16, 16), size) for size in SIZES_3D] + [((32, 32), size) for size in WHOLE_2D]
)
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_constant_network_gives_its_constant_everywhere(constant_network, plan_of, patch, size, overlap):
    network = constant_network([0.3, -1.0, 2.0])
    prediction = predict_grid(network, np.zeros(size, np.float32), plan_of(patch, 3), overlap=overlap)
    expected = torch.tensor([0.3, -1.0, 2.0]).softmax(0).view(3, 1, 1, 1).expand(3, *size)
    torch.testing.assert_close(prediction.final, expected)
    assert prediction.prototype is None
    assert {shape[2:] for shape in network.shapes} == {WHOLE_2D.get(size, patch)}
    assert max(shape[0] for shape in network.shapes) <= 4


def test_huge_slices_are_segmented_in_windows(constant_network, plan_of, monkeypatch):
    monkeypatch.setattr(sliding_window, "WHOLE_SLICE", 64)
    network = constant_network([0.3, -1.0])
    prediction = predict_grid(network, np.zeros((2, 100, 40), np.float32), plan_of((32, 32)))
    assert prediction.final.shape == (2, 2, 100, 40)
    assert {shape[2:] for shape in network.shapes} == {(64, 48)}


def test_network_is_in_evaluation_mode_and_goes_back_to_training(constant_network, plan_of):
    network = constant_network([0.0, 1.0]).train()
    predict_grid(network, np.zeros((4, 20, 20), np.float32), plan_of((16, 16)))
    assert not any(network.modes)
    assert network.training


def test_every_voxel_keeps_its_place(intensity_network, plan_of):
    image = np.random.default_rng(0).random((19, 23, 17), np.float32)
    voxelwise = torch.as_tensor(np.stack([1 - image, image])).softmax(0)
    for patch in [(16, 16), (16, 16, 16)]:
        prediction = predict_grid(intensity_network, image, plan_of(patch), overlap=0.25, windows_at_once=3)
        torch.testing.assert_close(prediction.final, voxelwise)


@pytest.mark.parametrize("level", ["decoder_full", "decoder_half", "bottleneck"])
@pytest.mark.parametrize("size", [(16, 16), (8, 16, 16)])
def test_prototype_prediction_is_the_cosine_of_upsampled_features(intensity_network, plan_of, level, size):
    patch = size
    image = np.random.default_rng(1).random(size if len(size) == 3 else (1, *size), np.float32)
    vectors = torch.tensor([[0.1, 1.0, 0.2], [1.0, 0.1, 0.5], [0.4, 0.4, -0.4]])
    classifier = CosineClassifier((level,), torch.ones(3, dtype=torch.bool), vectors)
    prediction = predict_grid(intensity_network, image, plan_of(patch, 3), classifier)
    windows = torch.as_tensor(image)[:, None] if len(size) == 2 else torch.as_tensor(image)[None, None]
    features = intensity_network(windows).features(level).double()
    mode = "bilinear" if len(size) == 2 else "trilinear"
    if features.shape[2:] != windows.shape[2:]:
        features = functional.interpolate(features, size=windows.shape[2:], mode=mode, align_corners=False)
    cosines = torch.stack(
        [functional.cosine_similarity(features, v.view(1, -1, *[1] * len(size)), dim=1) for v in vectors.double()],
        dim=1,
    )
    expected = (20 * cosines).softmax(dim=1)
    expected = expected.transpose(0, 1) if len(size) == 2 else expected[0]
    torch.testing.assert_close(prediction.prototype, expected.float(), atol=1e-5, rtol=1e-4)


def test_a_class_never_seen_is_never_predicted(intensity_network, plan_of):
    image = np.random.default_rng(2).random((16, 16, 16), np.float32)
    valid = torch.tensor([True, False, True])
    classifier = CosineClassifier(("decoder_half",), valid, torch.eye(3))
    prediction = predict_grid(intensity_network, image, plan_of((16, 16, 16), 3), classifier)
    assert prediction.prototype[1].max() == 0
    torch.testing.assert_close(prediction.prototype.sum(0), torch.ones(16, 16, 16))


def test_half_precision_autocast_still_answers_in_float32(plan_of):
    from SemiSupervisedSegLib.engine.networks.factory import build_network

    network = build_network("unet_2d", 1, 2)
    image = np.random.default_rng(3).random((2, 40, 24), np.float32)
    classifier = CosineClassifier(("decoder_half",), torch.tensor([True, True]), torch.randn(2, 32))
    prediction = predict_grid(
        network, image, plan_of((32, 32)), classifier, autocast=torch.autocast("cpu", torch.bfloat16)
    )
    for grid in (prediction.final, prediction.prototype):
        assert grid.dtype == torch.float32
        assert grid.shape == (2, 2, 40, 24)
        torch.testing.assert_close(grid.sum(0), torch.ones(2, 40, 24))


class PlaceNetwork(torch.nn.Module):
    """Answers depend on the place in the window: what a network takes for known that always saw one side first."""

    def forward(self, windows):
        ramp = torch.linspace(0, 3, windows.shape[-1]).expand_as(windows) + windows
        rows = torch.linspace(0, 2, windows.shape[-2])[:, None].expand_as(windows)
        return NetworkOutput(torch.cat([ramp, rows], dim=1), windows, windows, torch.cat([ramp, rows + 1], dim=1))


@pytest.mark.parametrize("size", [(16, 16), (16, 16, 16)])
@pytest.mark.parametrize("with_prototypes", [False, True])
def test_mirror_images_are_averaged(plan_of, size, with_prototypes):
    image = np.random.default_rng(4).random(size if len(size) == 3 else (3, *size), np.float32)
    vectors = torch.tensor([[1.0, 0.2], [0.1, 1.0]])
    classifier = CosineClassifier(("decoder_full",), torch.ones(2, dtype=torch.bool), vectors)
    given = (classifier,) if with_prototypes else ()
    network, plan = PlaceNetwork(), plan_of(size)
    made = predict_grid(network, image, plan, *given, mirrored_axes=(-2, -1))
    flips = [(), (-1,), (-2,), (-2, -1)]
    alone = [predict_grid(network, np.flip(image, axes).copy(), plan, *given) for axes in flips]
    for kind in ("final", "prototype")[: 1 + with_prototypes]:
        mirrored = [getattr(each, kind).flip(axes) for each, axes in zip(alone, flips, strict=True)]
        torch.testing.assert_close(getattr(made, kind), torch.stack(mirrored).mean(dim=0))
        assert not torch.allclose(getattr(made, kind), mirrored[0], atol=0.01)


def test_windows_are_mirrored_where_the_training_mirrored_images():
    settings = {"mirrored_prediction": True, "augmentation": "strong"}
    assert mirrored_axes_of(settings) == mirrored_axes_of(settings | {"augmentation": "rotations"}) == (-2, -1)
    assert mirrored_axes_of(settings | {"augmentation": "none"}) == ()
    assert mirrored_axes_of(settings | {"mirrored_prediction": False}) == ()


@pytest.mark.parametrize("step", range(1, 41))
def test_windows_are_as_far_apart_as_set(plan_of, step):
    for patch in ((80, 112, 112), (96, 96, 96), (32, 48, 64)):
        settings = {"window_stride": f"{step}x{step + 2}x{step}", "window_overlap": 0.5}
        overlaps = overlap_of_windows(settings, plan_of(patch))
        # As the inferer computes the distance of windows.
        assert [int(side * (1 - overlap)) for side, overlap in zip(patch, overlaps, strict=True)] == [
            min(step, patch[0]),
            min(step + 2, patch[1]),
            min(step, patch[2]),
        ]
    assert overlap_of_windows(settings | {"window_stride": "auto"}, plan_of(patch)) == 0.5


def test_windows_start_where_the_published_code_lets_them_start(plan_of, constant_network):
    """Starts are multiples of the step, the last one is clamped to the border (UA-MT's test code)."""
    starts, answer = set(), constant_network([0.0, 1.0])
    image = torch.arange(40.0)[:, None, None].expand(40, 32, 32).contiguous()

    class Recording(torch.nn.Module):
        def forward(self, windows):
            starts.update(windows[:, 0, 0, 0, 0].int().tolist())
            return answer(windows)

    settings = {"window_stride": "4x16x16", "window_overlap": 0.5}
    plan = plan_of((16, 32, 32))
    predict_grid(Recording(), image, plan, overlap=overlap_of_windows(settings, plan))
    assert starts == {0, 4, 8, 12, 16, 20, 24}

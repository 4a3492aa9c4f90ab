from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.inference.class_prototypes import pool_class_prototypes
from SemiSupervisedSegLib.engine.inference.labeled_windows import LabeledGrid
from SemiSupervisedSegLib.engine.inference.sliding_window import predict_grid


def case(seed: int, size: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random(size, np.float32), random.integers(0, classes, size).astype(np.uint8)


@pytest.mark.parametrize("patch", [(16, 16), (16, 16, 16)])
@pytest.mark.parametrize("size", [(5, 9, 14), (16, 16, 16), (20, 33, 16)])
def test_full_resolution_prototypes_are_voxel_means(intensity_network, plan_of, patch, size):
    cases = [case(0, size, 3), case(1, size, 3)]
    prototypes = pool_class_prototypes(intensity_network, cases, plan_of(patch, 3), "decoder_full", windows_at_once=3)
    expected = np.zeros((3, 3))
    for image, label in cases:
        features = np.stack([image, 1 - image, image**2]).astype(np.float64)
        for index in range(3):
            expected[index] += features[:, label == index].mean(axis=1) / 2
    np.testing.assert_allclose(prototypes.vectors.numpy(), expected, rtol=1e-5)
    assert prototypes.valid.all()


def test_coarse_features_count_as_if_upsampled(intensity_network, plan_of):
    image, label = case(2, (2, 16, 16), 2)
    prototypes = pool_class_prototypes(intensity_network, [(image, label)], plan_of((16, 16)), "decoder_half")
    half = intensity_network(torch.as_tensor(image)[:, None]).decoder_half
    features = functional.interpolate(half.double(), scale_factor=2, mode="bilinear", align_corners=False)
    inside = torch.as_tensor(label) == 1
    expected = torch.stack([channel[inside].mean() for channel in features.unbind(1)])
    torch.testing.assert_close(prototypes.vectors[1], expected.float(), rtol=1e-5, atol=1e-6)


def test_a_case_without_the_class_does_not_dilute_it(intensity_network, plan_of):
    image, label = case(3, (4, 16, 16), 2)
    empty = (np.full((4, 16, 16), 0.5, np.float32), np.zeros((4, 16, 16), np.uint8))
    alone = pool_class_prototypes(intensity_network, [(image, label)], plan_of((16, 16), 3), "decoder_full")
    both = pool_class_prototypes(intensity_network, [(image, label), empty], plan_of((16, 16), 3), "decoder_full")
    torch.testing.assert_close(both.vectors[1], alone.vectors[1])
    assert both.valid.tolist() == [True, True, False]
    assert not both.vectors[2].any()


def test_background_of_a_partial_case_leaves_out_what_the_network_takes_for_other_structures(
    intensity_network, plan_of
):
    """The network sees class 1 where the image is bright, and the case is annotated for class 2 only."""
    image = np.random.default_rng(4).random((4, 16, 16), np.float32)
    label = np.zeros((4, 16, 16), np.uint8)
    label[1:3, 4:9, 4:9] = 2
    partial = LabeledGrid(image, label, (2,))
    prototypes = pool_class_prototypes(intensity_network, [partial], plan_of((16, 16), 3), "decoder_full")
    dark, marked = image[(label == 0) & (image <= 0.5)], image[label == 2]
    for index, voxels in ((0, dark), (2, marked)):
        expected = np.array([voxels.mean(), (1 - voxels).mean(), np.square(voxels).mean()])
        np.testing.assert_allclose(prototypes.vectors[index].numpy(), expected, rtol=1e-5)
    assert prototypes.valid.tolist() == [True, False, True]


def test_prototypes_find_what_they_were_pooled_from(intensity_network, plan_of):
    image = np.full((6, 24, 24), 0.1, np.float32)
    image[2:4, 6:18, 6:18] = 0.9
    label = (image > 0.5).astype(np.uint8)
    plan = plan_of((16, 16))
    prototypes = pool_class_prototypes(intensity_network, [(image, label)], plan, "decoder_full")
    prediction = predict_grid(intensity_network, image, plan, prototypes)
    assert np.array_equal(prediction.prototype.argmax(0).numpy(), label)


def test_no_case_is_an_error(intensity_network, plan_of):
    with pytest.raises(ValueError, match="at least one labeled case"):
        pool_class_prototypes(intensity_network, [], plan_of((16, 16)), "decoder_full")

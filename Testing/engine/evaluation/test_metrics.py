from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy import ndimage

from SemiSupervisedSegLib.engine.evaluation.metrics import score_case, surface_distances

SPACING = (5.0, 0.7, 0.9)


def blob(seed: int, shape=(9, 30, 28)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1, 3, 3))
    return field > np.quantile(field, 0.85)


def test_overlap_of_a_known_pair():
    prediction, annotation = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    prediction[:, :2], annotation[:, 1:3] = 1, 1
    (score,) = score_case("a", "final", prediction, annotation, (2.0, 5.0, 10.0), ["liver"])
    assert score.dice == pytest.approx(0.5)
    assert score.jaccard == pytest.approx(1 / 3)
    assert score.volume_ml == pytest.approx(16 * 0.1)
    assert (score.case, score.structure, score.kind) == ("a", "liver", "final")
    assert not score.empty_prediction
    assert not score.empty_annotation


def test_only_what_a_case_is_annotated_for_is_scored():
    prediction, annotation = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    prediction[:, :2], prediction[:, 3], annotation[:, :2] = 2, 1, 2
    names = ["wall", "liver"]
    (score,) = score_case("a", "final", prediction, annotation, (1.0, 1.0, 1.0), names, ("liver",))
    assert (score.structure, score.dice) == ("liver", 1.0)
    both = score_case("a", "final", prediction, annotation, (1.0, 1.0, 1.0), names)
    assert [score.dice for score in both] == [0.0, 1.0]


def test_two_parallel_planes_are_as_far_apart_as_they_are():
    prediction, annotation = np.zeros((3, 20, 5), np.uint8), np.zeros((3, 20, 5), np.uint8)
    prediction[:, 4], annotation[:, 10] = 1, 1
    (score,) = score_case("a", "final", prediction, annotation, (3.0, 0.5, 2.0), ["wall"])
    assert (score.hd95_voxel, score.asd_voxel, score.asd_one_directional_voxel) == (6, 6, 6)
    assert (score.hd95_mm, score.asd_mm) == (3, 3)


@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_distances_are_those_of_monai(seed, spacing):
    first, second = blob(seed), blob(seed + 10)
    ours = surface_distances(first, second, spacing)
    pair = [torch.from_numpy(mask)[None, None] for mask in (first, second)]
    common = {"include_background": True, "spacing": list(spacing)}
    assert ours.hd95 == pytest.approx(compute_hausdorff_distance(*pair, percentile=95, **common).item(), rel=1e-5)
    assert ours.asd == pytest.approx(compute_average_surface_distance(*pair, symmetric=True, **common).item(), rel=1e-5)
    one = compute_average_surface_distance(*pair, symmetric=False, **common).item()
    assert ours.asd_one_directional == pytest.approx(one, rel=1e-5)


def test_one_directional_distance_is_that_of_the_published_codes():
    """The definition written out: from the predicted surface to the annotated one, through a distance map."""
    prediction, annotation = blob(3), blob(4)
    surface = [
        mask ^ ndimage.binary_erosion(mask, ndimage.generate_binary_structure(3, 1))
        for mask in (prediction, annotation)
    ]
    expected = ndimage.distance_transform_edt(~surface[1])[surface[0]].mean()
    assert surface_distances(prediction, annotation, (1, 1, 1)).asd_one_directional == pytest.approx(expected, rel=1e-6)


def test_cropping_changes_nothing():
    first, second = blob(5), blob(6)
    wide = [np.pad(mask, ((4, 7), (20, 3), (0, 11))) for mask in (first, second)]
    inner = [np.pad(mask, 2) for mask in (first, second)]
    assert surface_distances(*wide, SPACING) == surface_distances(*inner, SPACING)


def test_one_slice_is_measured_in_its_plane():
    prediction, annotation = np.zeros((1, 20, 20), bool), np.zeros((1, 20, 20), bool)
    prediction[0, 5:15, 5:15], annotation[0, 5:15, 5:15] = True, True
    annotation[0, 8:12, 8:12] = True
    prediction[0, 9, 9] = True
    assert surface_distances(prediction, annotation, SPACING).hd95 == 0
    prediction[0, 5:15, 5] = False
    assert surface_distances(prediction, annotation, SPACING).hd95 == pytest.approx(0.9)


@pytest.mark.parametrize("empty", ["prediction", "annotation"])
def test_one_empty_mask_costs_the_diagonal(empty):
    full, nothing = np.ones((3, 4, 12), np.uint8), np.zeros((3, 4, 12), np.uint8)
    pair = (nothing, full) if empty == "prediction" else (full, nothing)
    (score,) = score_case("a", "final", *pair, (2.0, 1.0, 0.5), ["liver"])
    assert (score.dice, score.jaccard) == (0, 0)
    assert score.hd95_voxel == score.asd_voxel == score.asd_one_directional_voxel == pytest.approx(13)
    assert score.hd95_mm == score.asd_mm == pytest.approx(np.sqrt(36 + 16 + 36))
    assert score.empty_prediction == (empty == "prediction")
    assert score.empty_annotation == (empty == "annotation")


def test_two_empty_masks_agree():
    nothing = np.zeros((3, 4, 12), np.uint8)
    (score,) = score_case("a", "final", nothing, nothing, SPACING, ["liver"])
    assert (score.dice, score.jaccard, score.hd95_mm, score.asd_mm) == (1, 1, 0, 0)
    assert score.empty_prediction
    assert score.empty_annotation


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        score_case("a", "final", np.zeros((1, 2, 3)), np.zeros((1, 2, 4)), SPACING, ["liver"])

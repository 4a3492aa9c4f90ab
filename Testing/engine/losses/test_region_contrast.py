from __future__ import annotations

import math

import pytest
import torch

from SemiSupervisedSegLib.engine.losses.region_contrast import pair_contrast, partition_pairs, region_pairs


def cosine(first, second):
    return sum(a * b for a, b in zip(first, second, strict=True)) / math.hypot(*first) / math.hypot(*second)


def test_the_mean_over_positive_pairs_of_all_groups_and_its_gradients():
    vectors = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    positives, negatives = torch.rand(5, 5) < 0.4, torch.rand(5, 5) < 0.5
    positives[0, 1] = negatives[0, 2] = True
    loss = pair_contrast(vectors, positives, negatives, temperature=0.3)
    terms = []
    for group in vectors.tolist():
        similarities = [[math.exp(cosine(a, b) / 0.3) for b in group] for a in group]
        for i, j in positives.nonzero().tolist():
            against = sum(similarities[i][k] for k in range(5) if negatives[i, k])
            terms.append(-math.log(similarities[i][j] / (similarities[i][j] + against)))
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-12)
    loss.backward()
    assert vectors.grad.isfinite().all() and vectors.grad.abs().max() > 0


@pytest.mark.parametrize("lacking", ["positives", "negatives"])
def test_without_pairs_of_a_kind_there_is_no_loss(lacking):
    vectors, every, none = torch.randn(4, 3, requires_grad=True), torch.ones(4, 4).bool(), torch.zeros(4, 4).bool()
    masks = {"positives": every, "negatives": every} | {lacking: none}
    loss = pair_contrast(vectors, **masks, temperature=0.1)
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad.isfinite().all()


def test_partitions():
    partitions = torch.tensor([2, 0, 2, 1, 0])
    positives, negatives = partition_pairs(partitions)
    for i, own in enumerate(partitions):
        for j, other in enumerate(partitions):
            assert positives[i, j] == (i != j and own == other)
            assert negatives[i, j] == (own != other)


def test_regions_are_contrasted_with_the_nearest_ones_of_both_views():
    places = [(0.0, 0.0), (0.0, 1.0), (0.0, 2.5), (3.0, 0.0)]
    positives, negatives = region_pairs(places, neighbours=2)
    near = {0: {1, 2}, 1: {0, 2}, 2: {1, 0}, 3: {0, 1}}
    for i in range(8):
        assert set(positives[i].nonzero()[:, 0].tolist()) == {(i + 4) % 8}
        assert set(negatives[i].nonzero()[:, 0].tolist()) == near[i % 4] | {other + 4 for other in near[i % 4]}

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SemiSupervisedSegLib.engine.losses.stochastic import antithetic_samples, energy_distance, marginal_cross_entropy
from SemiSupervisedSegLib.engine.networks.low_rank import LowRankHead
from SemiSupervisedSegLib.engine.networks.output import NetworkOutput

from .. import reference
from ..reference import array
from ..reference_aua import energy, marginal_likelihood

SHAPES = [(2, (5, 4)), (4, (5, 4)), (2, (3, 4, 5)), (4, (3, 4, 5))]


def distribution(batch, classes, size, rank):
    mean, deviation = torch.randn(batch, classes, *size), 0.2 + torch.rand(batch, classes, *size)
    return mean, deviation, torch.randn(batch, rank, classes, *size)


def test_samples_have_the_mean_and_covariance_of_the_closed_form():
    """Two voxels, two classes, rank 2: a Gaussian in four dimensions, with P P^T + D written out."""
    mean, deviation, factor = distribution(1, 2, (1, 2), 2)
    samples = array(antithetic_samples(mean, deviation, factor, 200_000))[0].reshape(400_000, 4)
    columns = array(factor)[0].reshape(2, 4).T
    covariance = columns @ columns.T + np.diag(array(deviation)[0].reshape(4) ** 2)
    np.testing.assert_allclose(samples.mean(axis=0), array(mean).reshape(4), atol=1e-5)
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.01 * np.abs(covariance).max())


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_samples_come_in_pairs_that_mirror_each_other_about_the_mean(classes, size):
    mean, deviation, factor = distribution(2, classes, size, 3)
    samples = antithetic_samples(mean, deviation, factor, 3)
    assert samples.shape == (2, 6, classes, *size)
    torch.testing.assert_close(samples[:, :3] + samples[:, 3:], (2 * mean).unsqueeze(1).expand(-1, 3, *mean.shape[1:]))
    assert (samples[:, 0] - samples[:, 1]).abs().min() > 0


def test_the_factor_moves_all_voxels_of_an_image_together_and_those_of_others_apart():
    mean, _, factor = distribution(2, 2, (6, 5), 1)
    offsets = antithetic_samples(mean, torch.zeros_like(mean), factor, 4)[:, :4] - mean.unsqueeze(1)
    shares = offsets / factor
    torch.testing.assert_close(shares, shares[..., :1, :1, :1].expand_as(shares), rtol=1e-3, atol=1e-4)
    assert len({round(share, 4) for share in shares[..., 0, 0, 0].flatten().tolist()}) == 8


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_likelihood_is_marginal_over_samples(classes, size):
    samples, labels = torch.randn(2, 6, classes, *size), torch.randint(classes, (2, *size))
    expected = marginal_likelihood(array(samples), labels.numpy())
    assert marginal_cross_entropy(samples, labels).item() == pytest.approx(expected, abs=1e-5)


def test_likelihood_of_one_certain_sample_is_the_cross_entropy():
    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    expected = reference.cross_entropy(array(logits), labels.numpy())
    assert marginal_cross_entropy(logits.unsqueeze(1), labels).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_energy_distance_is_that_of_all_pairs(classes, size):
    first, second = torch.randn(2, 6, classes, *size).softmax(2), (3 * torch.randn(2, 4, classes, *size)).softmax(2)
    expected = energy(array(first), array(second))
    assert expected > 0.01
    assert energy_distance(first, second).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("classes", "size"), SHAPES)
def test_energy_distance_of_the_same_samples_is_zero(classes, size):
    samples = torch.randn(2, 6, classes, *size).softmax(2)
    assert energy_distance(samples, samples.flip(1)).item() == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.1, 1.0, 10.0, 100.0]))
def test_energy_distance_is_never_negative(seed, first, second, scale):
    generator = torch.Generator().manual_seed(seed)
    draw = [scale * torch.randn(1, count, 3, 3, 2, generator=generator) for count in (first, second)]
    assert energy_distance(*(logits.double().softmax(2) for logits in draw)).item() >= -1e-12


def test_energy_distance_of_maps_without_structure_is_zero_and_has_a_gradient():
    samples = torch.zeros(1, 6, 1, 4, 4, requires_grad=True)
    distance = energy_distance(samples, torch.zeros(1, 6, 1, 4, 4))
    distance.backward()
    assert distance.item() == 0
    assert samples.grad.isfinite().all()


def test_gradients_by_finite_differences():
    torch.manual_seed(1)
    logits = torch.randn(1, 2, 2, 2, 2, dtype=torch.double, requires_grad=True)
    others, labels = torch.randn(1, 2, 2, 2, 2, dtype=torch.double).softmax(2), torch.tensor([[[0, 1], [1, 0]]])
    assert torch.autograd.gradcheck(lambda x: energy_distance(x.softmax(2), others), (logits,))
    assert torch.autograd.gradcheck(lambda x: marginal_cross_entropy(x, labels), (logits,))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_head_reads_the_rectified_embedding(dimensions):
    size, head = (4, 6, 5)[:dimensions], LowRankHead(dimensions, 8, 3, 2)
    features, logits = torch.randn(2, 8, *size), torch.randn(2, 3, *size)
    mean, deviation, factor = head(NetworkOutput(logits, logits, logits, features))
    rows = np.moveaxis(np.maximum(array(features), 0), 1, -1)
    log_variance = rows @ array(head.log_variance.weight).reshape(3, 8).T + array(head.log_variance.bias)
    expected = np.sqrt(np.exp(np.clip(log_variance, -10, 5)) + 2e-5)
    assert torch.equal(mean, logits)
    np.testing.assert_allclose(np.moveaxis(array(deviation), 1, -1), expected, rtol=1e-5)
    factors = rows @ array(head.factor.weight).reshape(6, 8).T + array(head.factor.bias)
    np.testing.assert_allclose(np.moveaxis(array(factor).reshape(2, 6, *size), 1, -1), factors, atol=1e-5)


def test_the_variance_is_bounded():
    head, features = LowRankHead(2, 4, 2, 1), torch.rand(1, 4, 2, 2)
    with torch.no_grad():
        for bias, bound in ((1e6, math.sqrt(math.exp(5) + 2e-5)), (-1e6, math.sqrt(math.exp(-10) + 2e-5))):
            head.log_variance.bias.fill_(bias)
            deviation = head(NetworkOutput(features[:, :2], features, features, features)).deviation
            torch.testing.assert_close(deviation, torch.full_like(deviation, bound))


def test_outside_of_the_tissue_there_is_next_to_no_variance():
    head, features = LowRankHead(2, 4, 2, 3), torch.rand(1, 4, 2, 2)
    tissue = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    full = head(NetworkOutput(features[:, :2], features, features, features))
    masked = full.masked(tissue)
    outside = (tissue == 0).expand(1, 2, 2, 2)
    torch.testing.assert_close(masked.deviation[outside], torch.full((4,), math.sqrt(1e-5)))
    assert masked.factor.transpose(1, 2)[:, :, :, tissue[0, 0] == 0].abs().max() == 0
    assert torch.equal(masked.deviation[~outside], full.deviation[~outside])
    assert torch.equal(masked.factor[..., 0, 0], full.factor[..., 0, 0])


def test_sampling_is_in_float32_under_autocast():
    head, features = LowRankHead(2, 4, 2, 3), torch.rand(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        output = NetworkOutput(features[:, :2].bfloat16(), features, features, features.bfloat16())
        parts = head(output)
        samples = antithetic_samples(*parts, 3)
        distance = energy_distance(samples.softmax(2), samples.flip(0).softmax(2))
    assert {part.dtype for part in (*parts, samples, distance)} == {torch.float32}
    torch.testing.assert_close(samples[:, :3] + samples[:, 3:], (2 * parts.mean).unsqueeze(1).expand(-1, 3, -1, -1, -1))

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.parts.mixing import mix, mixing_shares


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_have_the_mean_and_the_variance_of_a_beta_distribution(alpha):
    shares = mixing_shares(20000, alpha).double()
    assert shares.min() >= 0 and shares.max() <= 1
    assert shares.mean().item() == pytest.approx(0.5, abs=0.01)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


@pytest.mark.parametrize("shape", [(3, 1, 4, 5), (2, 4, 3, 4, 5)])
def test_every_pair_has_its_own_share(shape):
    first, second = torch.randn(2, *shape, dtype=torch.float64)
    shares = torch.rand(shape[0])
    arrays = (values.numpy() for values in (shares, first, second))
    expected = np.stack([b * x + (1 - b) * y for b, x, y in zip(*arrays, strict=True)])
    np.testing.assert_allclose(mix(first, second, shares).numpy(), expected, rtol=1e-6)

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.losses.pyramid import pyramid_consistency

from .. import reference
from ..reference import array


@pytest.mark.parametrize("shape", [(4, 2, 3, 6, 5), (3, 1, 2, 3, 4, 5)])
def test_it_is_the_published_formula(shape):
    logits = 2 * torch.randn(shape, dtype=torch.float64)
    assert pyramid_consistency(logits).item() == pytest.approx(reference.pyramid_consistency(array(logits)), abs=1e-10)


def test_predictions_that_agree_cost_nothing():
    logits = torch.randn(1, 2, 3, 4, 4, dtype=torch.float64).expand(4, -1, -1, -1, -1)
    assert pyramid_consistency(logits).item() == pytest.approx(0, abs=1e-12)


def test_probabilities_that_float32_cannot_hold_have_a_value_and_a_gradient():
    logits = torch.zeros(4, 1, 2, 2, 2)
    logits[:, :, 0] = 300
    logits[0, 0, :, 0, 0] = torch.tensor([0.0, 300.0])
    logits.requires_grad_()
    loss = pyramid_consistency(logits)
    loss.backward()
    assert np.isfinite(loss.item())
    assert torch.isfinite(logits.grad).all()
    assert loss.item() == pytest.approx(reference.pyramid_consistency(array(logits)), rel=1e-5)

"""Supervised learning against its formula in float64, and the checks of every method."""

from __future__ import annotations

import pytest

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks
from .toys import SHAPES, run

VARIANTS = {"paper": {}}
TRAINED = {"supervised": EVERYTHING}


class TestSupervised(MethodChecks):
    method, variants, trained = "supervised", VARIANTS, TRAINED


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    losses, batch, recorder, _ = run("supervised", shape)
    ((images, output),) = recorder.student
    assert images is batch.labeled.images
    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(output.logits), batch.labeled.labels.numpy()), abs=1e-5)
    }

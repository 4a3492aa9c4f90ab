from __future__ import annotations

import numpy as np
import pytest
import torch

from ... import reference
from ...reference import array
from ..toys import SHAPES, run


@pytest.mark.parametrize("method_id", ["dtc", "sassnet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_tasks_learn_from_the_annotations(method_id, shape):
    losses, batch, recorder, method = run(method_id, shape)
    ((images, output),) = recorder.student
    assert torch.equal(images, torch.cat([batch.labeled.images, batch.unlabeled.images]))
    p, labels = reference.softmax(array(output.logits))[:2], batch.labeled.labels.numpy()
    z = array(method.distance_head(output.decoder_full))[:2]
    assert losses["supervised"] == pytest.approx(
        reference.dice(p, reference.indicators(labels, shape[1]), first=1), abs=1e-10
    )
    expected = np.mean((z - reference.distance_maps(labels, shape[1])) ** 2)
    assert losses["distances"] == pytest.approx(expected, abs=1e-6)

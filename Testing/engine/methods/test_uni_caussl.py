"""Uni-CauSSL: the losses of CauSSL in float64 on the channels of each image's task, and the checks of every method."""

from __future__ import annotations

import pytest

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks, assert_finite
from .several_tasks import of_tasks, own_channels, partial_batch
from .toys import MIDDLE, in_float64, values

AT_ONCE = {"consistency_start": 0, "independence_start": 0}
VARIANTS = {"one_task": AT_ONCE, "released_code": {**AT_ONCE, "fidelity": "released_code"}}
TRAINED = dict.fromkeys(("supervised", "cross_pseudo", "dependence"), EVERYTHING)


class TestUniCauSSL(MethodChecks):
    method, variants, trained = "uni_caussl", VARIANTS, TRAINED


@pytest.mark.parametrize("dimensions", [2, 3])
def test_each_image_answers_for_its_own_task(dimensions):
    method, batch = in_float64(of_tasks("uni_caussl", dimensions), partial_batch(dimensions))
    seen = []
    for network in (method.student, method.second):
        network.register_forward_hook(lambda _, inputs, output: seen.append(array(output.logits)))
    losses = method.losses(batch, MIDDLE)
    labels = batch.labeled.labels.numpy()
    labeled = [own_channels(logits[:3], batch.labeled.tasks) for logits in seen]
    first, second = (own_channels(logits[3:], batch.unlabeled.tasks) for logits in seen)
    found = values(losses)
    assert found["supervised"] == pytest.approx(sum(reference.supervised(each, labels) for each in labeled), abs=1e-10)
    assert found["cross_pseudo"] == pytest.approx(
        reference.cross_entropy(first, second.argmax(axis=1)) + reference.cross_entropy(second, first.argmax(axis=1)),
        abs=1e-10,
    )
    assert_finite(method, losses)

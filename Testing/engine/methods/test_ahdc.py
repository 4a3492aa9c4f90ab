"""AHDC against its formulas in float64, what each objective trains, and the checks of every method."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import total

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks
from .toys import MIDDLE, in_float64, toy_batch, toy_method, values, weights


class TestAHDC(MethodChecks):
    method, variants = "ahdc", {"paper": {}}
    overfit_share = 0.6  # Half of what the global branches read is dropped.
    trained: ClassVar[dict[str, set[str]]] = {
        "supervised": EVERYTHING,
        "intra_domain": EVERYTHING,
        "inter_domain": EVERYTHING,
    }


PARTS = ("student", "branch", "external_student", "external_branch", "to_external", "to_local", "discriminator")


def with_mappings(method):
    """The method after its mappings have begun to change images."""
    for mapping in (method.to_external, method.to_local):
        torch.nn.init.normal_(mapping.network.head.weight, std=0.3)
    return method


def recorded(method):
    """What went into the parts of a method and came out of them, in order."""
    seen = {name: [] for name in PARTS}
    for name, calls in seen.items():
        part = getattr(method, name)
        part.register_forward_hook(lambda _, inputs, output, calls=calls: calls.append((inputs, output)))
    return seen


@pytest.mark.parametrize("shape", [(2, 4), (3, 2)])
def test_segmentation(shape):
    method, batch = in_float64(with_mappings(toy_method("ahdc", *shape)), toy_batch(*shape))
    seen = recorded(method)
    losses = values(method.losses(batch, MIDDLE))
    own, others = torch.cat([batch.labeled.images, batch.unlabeled.images]), batch.external.images
    (((mapped,), as_external),), (((mapped_back,), as_local),) = seen["to_external"], seen["to_local"]
    assert torch.equal(mapped, own) and torch.equal(mapped_back, others)
    assert not torch.equal(as_external, own)
    ((images,), here), ((external_images,), there) = (*seen["student"], *seen["external_student"])
    assert torch.equal(images, torch.cat([own, as_local]))
    assert torch.equal(external_images, torch.cat([as_external, others]))
    ((features,), around), ((external_features,), around_there) = (*seen["branch"], *seen["external_branch"])
    assert torch.equal(features, here.decoder_full) and torch.equal(external_features, there.decoder_full)
    logits, labels = [array(each) for each in (here.logits, around, there.logits, around_there)], batch.labeled.labels
    p = [reference.softmax(each)[2:] for each in logits]
    assert losses == {
        "supervised": pytest.approx(sum(reference.supervised(each[:2], labels.numpy()) for each in logits), abs=1e-9),
        "intra_domain": pytest.approx(np.mean((p[0] - p[1]) ** 2) + np.mean((p[2] - p[3]) ** 2), abs=1e-10),
        "inter_domain": pytest.approx(np.mean((p[0] - p[2]) ** 2), abs=1e-10),
    }


def cross_entropy(answers, wanted):
    """Of logits, the second of which is that of pairs from local images."""
    shares = reference.softmax(answers)
    return -np.mean([np.log(row[index]) for row, index in zip(shares, wanted, strict=True)])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_mappings_and_discriminator(dimensions):
    method, batch = in_float64(with_mappings(toy_method("ahdc", dimensions)), toy_batch(dimensions))
    for mapping in (method.to_external, method.to_local):
        mapping.eval()  # So that an image is mapped the same way whatever stands beside it.
    seen = recorded(method)
    _, mappings, discriminator = method.objectives()
    losses = values(mappings.losses(batch, MIDDLE))
    local, external = batch.unlabeled.images, batch.external.images
    with torch.no_grad():
        as_external, as_local = method.to_external(local), method.to_local(external)
        back = [method.to_local(as_external) - local, method.to_external(as_local) - external]
    (((first, second), answers),) = seen["discriminator"]
    assert torch.equal(first, torch.cat([as_local, local])) and torch.equal(second, torch.cat([external, as_external]))
    assert losses == {
        "adversarial": pytest.approx(cross_entropy(array(answers), [1, 1, 0, 0]), abs=1e-10),
        "way_back": pytest.approx(sum(array(each.abs()).mean() for each in back), abs=1e-10),
    }
    losses = values(discriminator.losses(batch, MIDDLE))
    (first, second), answers = seen["discriminator"][1]
    assert torch.equal(first, torch.cat([local, as_local])) and torch.equal(second, torch.cat([as_external, external]))
    assert not first.requires_grad and not second.requires_grad
    assert losses == {"discriminator": pytest.approx(cross_entropy(array(answers), [1, 1, 0, 0]), abs=1e-10)}


def reached(method, losses):
    method.zero_grad()
    total(loss.value for loss in losses.values()).backward()
    return {
        name
        for name in PARTS
        if any(each.grad is not None and each.grad.abs().max() > 0 for each in getattr(method, name).parameters())
    }


def test_what_each_objective_trains():
    method, batch = with_mappings(toy_method("ahdc")), toy_batch()
    segmentation, mappings, discriminator = method.objectives()
    networks = {"student", "branch", "external_student", "external_branch"}
    assert reached(method, segmentation.losses(batch, MIDDLE)) == networks
    # The discriminator's own optimizer forgets what it gets here.
    assert reached(method, mappings.losses(batch, MIDDLE)) == {"to_external", "to_local", "discriminator"}
    assert reached(method, discriminator.losses(batch, MIDDLE)) == {"discriminator"}
    owners = {id(p): objective.name for objective in method.objectives() for p in objective.module.parameters()}
    assert {owners[id(p)] for p in method.discriminator.parameters()} == {"discriminator"}
    assert {owners[id(p)] for p in method.to_local.parameters()} == {"mappings"}


def test_the_weights():
    ramp = np.exp(-5 * 0.25)
    expected = {"supervised": 1.0, "intra_domain": ramp, "inter_domain": ramp}
    assert weights("ahdc", MIDDLE) == pytest.approx(expected)

"""Every method of the catalogue in 3D, with two and with four classes, on networks of half the published width."""

from __future__ import annotations

import pytest

from SemiSupervisedSegLib.engine.networks import discriminator, vnet
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from .every_method import easy_study, goes_on_after_a_stop, learns_and_predicts

METHODS = list(load_catalogue().methods)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    return easy_study(tmp_path_factory.mktemp("two") / "study", 3, structures=1)


@pytest.fixture(scope="module")
def four_classes(tmp_path_factory):
    return easy_study(tmp_path_factory.mktemp("four") / "study", 3, structures=3)


@pytest.fixture(autouse=True)
def narrow_networks(monkeypatch):
    """A quarter of the 9.4 million weights: on patches this small a step takes as long as it takes to move them."""
    for part in (vnet, discriminator):
        monkeypatch.setattr(part, "CHANNELS", tuple(channels // 2 for channels in part.CHANNELS))


def smallest_batches(method: str) -> dict[str, int]:
    """The smallest batches that a method takes: in 3D these tests are the slowest of all."""
    entry = load_catalogue().method(method)
    minimum = next(setting.minimum for setting in entry.settings if setting.name == "labeled_batch")
    batch = 2 if "pairs" in (entry.batches, entry.released_batches) else minimum
    return {"labeled_batch": batch, "unlabeled_batch": batch}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_four_classes(four_classes, method):
    learns_and_predicts(four_classes, 3, method, **smallest_batches(method))


@pytest.mark.parametrize("method", METHODS)
def test_two_classes(two_classes, method):
    learns_and_predicts(two_classes, 3, method, **smallest_batches(method))


# In 2D every method is stopped in the quick tests, too.
@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_stop(two_classes, method):
    changes = smallest_batches(method)
    whole = learns_and_predicts(two_classes, 3, method, **changes)
    goes_on_after_a_stop(two_classes, 3, method, whole, **changes)

"""Every method of the catalogue in 2D, with two and with four classes."""

from __future__ import annotations

import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from .every_method import easy_study, goes_on_after_a_stop, learns_and_predicts

METHODS = list(load_catalogue().methods)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    return easy_study(tmp_path_factory.mktemp("two") / "study", 2, structures=1)


@pytest.fixture(scope="module")
def four_classes(tmp_path_factory):
    return easy_study(tmp_path_factory.mktemp("four") / "study", 2, structures=3)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_classes(two_classes, method):
    learns_and_predicts(two_classes, 2, method)


@pytest.mark.parametrize("method", METHODS)
def test_four_classes_and_a_stop(four_classes, method):
    whole = learns_and_predicts(four_classes, 2, method)
    goes_on_after_a_stop(four_classes, 2, method, whole)

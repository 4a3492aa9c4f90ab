"""Every method of the catalogue in 2D, with four classes."""

from __future__ import annotations

import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from .every_method import check_method, easy_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return easy_study(tmp_path_factory.mktemp("study") / "study", 2, structures=3)


@pytest.mark.parametrize("method", load_catalogue().methods)
def test_method(study, method):
    check_method(study, 2, method)

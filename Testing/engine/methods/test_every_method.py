"""Every method of the catalogue has a test file with the checks of all methods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

FOLDER = Path(__file__).parent
# As in: class TestDAN(MethodChecks):\n    method, variants, trained = "dan", ...
CHECKS = re.compile(r"^class Test\w+\((\w+Checks)\):\n    method\b.*? = \"(\w+)\"", re.MULTILINE)


@pytest.mark.parametrize("method", list(load_catalogue().methods))
def test_every_method_has_its_test_file(method):
    file = FOLDER / f"test_{method}.py"
    assert file.is_file(), (
        f"{method} is in the catalogue: write Testing/engine/methods/{file.name}, see checks.py there"
    )
    found = {name for _, name in CHECKS.findall(file.read_text(encoding="utf-8"))}
    assert method in found, f'{file.name} has no class Test...(MethodChecks) with method = "{method}"'

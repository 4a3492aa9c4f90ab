"""Every benchmark finds what it uses, also those that only make test-all runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULES = sorted(
    ".".join(["Testing", "benchmarks", *path.relative_to(HERE).with_suffix("").parts])
    for path in HERE.rglob("*.py")
    if not path.name.startswith(("test_", "__"))
)


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, "says what it measures"

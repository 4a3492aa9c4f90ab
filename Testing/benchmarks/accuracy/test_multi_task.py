from __future__ import annotations

import re

import pytest

from ..tiny import run


@pytest.mark.slow
def test_multi_task_compares_unisemi_with_one_model_per_structure() -> None:
    output = run("accuracy.multi_task")
    for row in ("organ 1", "organ 2", "organ 3", "all"):
        assert re.search(rf"^{row} +[\d.]+ \([\d.]+\) +[\d.]+ \([\d.]+\) +[+-][\d.]+ \[", output, re.MULTILINE), output

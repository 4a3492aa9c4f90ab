from __future__ import annotations

import re

import pytest

from ..tiny import run


@pytest.mark.parametrize(
    ("images", "structures"),
    [("apart", ("organ 1", "organ 2", "organ 3")), ("shared", ("chamber", "wall", "chamber 2"))],
)
def test_multi_task_compares_unisemi_with_one_model_per_structure(images: str, structures: tuple[str, ...]) -> None:
    output = run("accuracy.multi_task", "--images", images)
    for row in (*structures, "all"):
        assert re.search(rf"^{row} +[\d.]+ \([\d.]+\) +[\d.]+ \([\d.]+\) +[+-][\d.]+ \[", output, re.MULTILINE), output

from __future__ import annotations

import re

import pytest

from ..tiny import run


@pytest.mark.slow
def test_ways_to_choose_the_next_case_begin_alike() -> None:
    output = run("accuracy.next_case")
    first = [re.search(rf"^{way} +([\d.]+)  [\d.]+   [\d.]+ \(", output, re.MULTILINE) for way in WAYS]
    assert len({match.group(1) for match in first}) == 1, output


WAYS = ("listed", "random")

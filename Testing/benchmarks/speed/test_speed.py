from __future__ import annotations

import re

from ..tiny import run


def test_training_speed_compares_both_loops() -> None:
    output = run("speed.training_speed", "--only", "unet_2d", "--threads", "1")
    for row in ("published style", "this project", "ratio"):
        assert re.search(rf"{row} +\d+\.\d+", output), output
    gigaflop = re.search(r"([\d.]+) GFLOP a step", output)
    # 5.8 GFLOP forward for 256x256, a 64th of it here; two images with both gradients and one through the teacher.
    assert 0.5 < float(gigaflop.group(1)) < 0.8


def test_training_memory_compares_few_and_many_cases() -> None:
    peaks = re.findall(r"peak +(\d+) MB", run("speed.training_memory"))
    assert len(peaks) == 2
    assert all(int(peak) > 100 for peak in peaks)


def test_method_costs_are_relative_to_mean_teacher() -> None:
    output = run("speed.method_costs", "--methods", "bcp")
    rows = {
        name: list(map(float, rest.split())) for name, rest in re.findall(r"^(mean_teacher|bcp) +(.+)$", output, re.M)
    }
    assert rows["mean_teacher"][1] == rows["mean_teacher"][3] == 1.0
    assert all(value > 0 for value in rows["bcp"])
    assert rows["bcp"][2] > 100, "PyTorch alone takes more MB"

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from ..tiny import run


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_training_speed_compares_both_loops(tmp_path: Path) -> None:
    output = run("speed.training_speed", "--only", "unet_2d", "--threads", "1", "--output", str(tmp_path))
    for row in ("published style", "this project", "ratio"):
        assert re.search(rf"{row} +\d+\.\d+", output), output
    (row,) = rows_of(tmp_path / "training_speed.csv")
    # 5.8 GFLOP forward for 256x256, a 64th of it here; four images with both gradients and two through the teacher.
    assert 1.0 < float(row["gigaflop"]) < 1.6
    assert row["images_a_step"] == "4"


@pytest.mark.slow
def test_training_memory_compares_few_and_many_cases() -> None:
    peaks = re.findall(r"peak +(\d+) MB", run("speed.training_memory"))
    assert len(peaks) == 2
    assert all(int(peak) > 100 for peak in peaks)


@pytest.mark.slow
def test_method_costs_are_relative_to_mean_teacher() -> None:
    output = run("speed.method_costs", "--methods", "bcp")
    rows = {
        name: list(map(float, rest.split())) for name, rest in re.findall(r"^(mean_teacher|bcp) +(.+)$", output, re.M)
    }
    assert rows["mean_teacher"][1] == rows["mean_teacher"][3] == 1.0
    assert all(value > 0 for value in rows["bcp"])


@pytest.mark.slow
def test_inference_has_the_output_of_the_plain_form(tmp_path: Path) -> None:
    places = ("--threads", "1", "--output", str(tmp_path))
    output = run("speed.inference", "--only", "v_net", "--precision", "float32", *places)
    assert "times (target at least 5.0 times)" in output
    (row,) = rows_of(tmp_path / "inference.csv")
    assert row["maps"] == "both predictions"
    assert 0 < float(row["largest_difference"]) < 1e-4


@pytest.mark.slow
def test_start_up_times_worker_and_module(tmp_path: Path) -> None:
    output = run("speed.start_up", "--output", str(tmp_path))
    seconds = {row["what"]: float(row["seconds"]) for row in rows_of(tmp_path / "start_up.csv")}
    assert 0 < seconds["worker_started"] < seconds["worker_first_step"]
    assert 0 < seconds["module_module"] < seconds["module_panel"]
    assert "met     PyTorch in Slicer's process: no" in output
    assert {row["benchmark"] for row in rows_of(tmp_path / "targets.csv")} == {"start_up"}


@pytest.mark.slow
def test_first_prediction_tells_what_it_waits_for() -> None:
    happened = re.findall(r"^  (.+?) +[\d.]+ s", run("speed.first_prediction"), re.M)
    assert happened[:2] == ["worker started", "began: Looking at images"]
    assert happened[-1] == "first prediction on disk"


@pytest.mark.slow
def test_scaling_measures_each_work_on_each_size(tmp_path: Path) -> None:
    run("speed.scaling", "--output", str(tmp_path))
    rows = rows_of(tmp_path / "scaling.csv")
    assert {row["cases"] for row in rows} == {"2", "4"}
    assert len(rows) == 12
    assert all(float(row["peak_mb"]) > 20 for row in rows)


@pytest.mark.slow
def test_profile_names_the_largest_costs() -> None:
    output = run("speed.profile_step", "--only", "unet_2d", "--threads", "1")
    assert len(re.findall(r"^(?:training step of mean_teacher|prediction), ", output, re.M)) == 2
    assert re.search(r"^  convolutions, backward +\d", output, re.M)

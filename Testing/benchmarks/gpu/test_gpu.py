from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.data.intensity_augmentation import intensity_augmentation

from .__main__ import RESULT, TABLE, Part, main, run_part, table
from .against_processor import largest_difference
from .same_numbers import SameRandomNumbers, without_dropout


def test_random_numbers_are_drawn_on_the_processor_and_brought_to_the_device() -> None:
    images = torch.zeros(2, 1, 8, 8, device="meta")
    torch.manual_seed(1)
    with SameRandomNumbers():
        drawn = [torch.randn_like(images), torch.rand(3, device="meta"), torch.randn(2, 2)]
        torch.zeros(5, device="meta").normal_(generator=None)
        torch.zeros(4, device="meta").uniform_(-1, 1)
    after = torch.get_rng_state()
    assert [tensor.device.type for tensor in drawn] == ["meta", "meta", "cpu"]
    torch.manual_seed(1)
    torch.randn(2, 1, 8, 8), torch.rand(3), torch.randn(2, 2), torch.zeros(5).normal_()
    torch.zeros(4).uniform_(-1, 1)
    assert torch.equal(torch.get_rng_state(), after)


def test_on_the_processor_nothing_changes() -> None:
    images = torch.arange(2 * 32 * 32.0).view(2, 1, 32, 32)
    plain = intensity_augmentation(images, torch.Generator().manual_seed(3))
    with SameRandomNumbers():
        same = intensity_augmentation(images, torch.Generator().manual_seed(3))
    assert torch.equal(plain, same)


def test_without_dropout_training_mode_is_deterministic() -> None:
    module = without_dropout(nn.Sequential(nn.Dropout(0.5), nn.Dropout3d(0.3))).train()
    assert torch.equal(module(torch.ones(1, 4, 2, 2, 2)), torch.ones(1, 4, 2, 2, 2))


def test_differences_are_relative_and_small_losses_count_as_a_hundredth() -> None:
    assert largest_difference({"a": 2.0, "b": 0.5}, {"a": 2.2, "b": 0.5}) == pytest.approx(0.1)
    assert largest_difference({"a": 2.0, "b": 0.0001}, {"a": 2.0, "b": 0.0002}) == pytest.approx(0.01)


def test_a_device_is_compared_with_the_processor_as_a_part_with_its_figures(tmp_path: Path) -> None:
    part = Part("Losses", "gpu.against_processor", ("--device", "cpu", "--methods", "mean_teacher"))
    outcome = run_part(part, tmp_path, 300, ["--tiny"])
    assert (outcome.title, outcome.state) == ("Losses", "done")
    (row,) = outcome.figures
    assert (row["method"], float(row["first"]), row["resumes"]) == ("mean_teacher", 0.0, "True")
    assert "| mean_teacher | 2 | 0 | 0 | True |" in table("A machine", [outcome])


def test_what_has_no_time_is_named(tmp_path: Path) -> None:
    assert main(["--device", "cpu", "--minutes", "0", "--output", str(tmp_path)]) == 0
    states = [part["state"] for part in json.loads((tmp_path / RESULT).read_text())["parts"]]
    assert len(states) == 8
    assert set(states) == {"no time left"}


def test_a_part_that_fails_and_one_that_is_cut_off(tmp_path: Path) -> None:
    options = ["--tiny", "--parts", "gpu.out_of_memory", "--output", str(tmp_path)]
    # There is no card of this number.
    assert main([*options, "--device", "cuda:99"]) == 1
    assert main([*options, "--device", "cuda:99", "--minutes", "0.001"]) == 0
    assert "cut off by the clock" in (tmp_path / TABLE).read_text()

"""Trainings that stop and go on; those of the methods of the catalogue are checked in engine/methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch

from ...benchmarks.reliability.kill_and_resume import same_content
from ..methods.toys import toy_batch, toy_method
from .families import FAMILIES, build
from .toy_loop import Run, assert_resumes_anywhere


def batch_of_one_task() -> Batch:
    batch = toy_batch()
    tasks = torch.zeros(len(batch.labeled.images), dtype=torch.long)
    return replace(batch, labeled=replace(batch.labeled, tasks=tasks))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_methods_resumes_at_any_step_bit_by_bit(tmp_path: Path, family: str) -> None:
    assert_resumes_anywhere(
        lambda steps: build(FAMILIES[family], steps=steps, learning_rate=0.05), tmp_path, batch_of_one_task
    )


def test_another_seed_gives_other_weights() -> None:
    """Else the comparison above would compare nothing random."""
    runs = []
    for seed in (1, 2):
        torch.manual_seed(0)
        runs.append(Run(toy_method("mean_teacher", steps=2), seed=seed))
        runs[-1].go()
    assert not same_content(runs[0].state(), runs[1].state())

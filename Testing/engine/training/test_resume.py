"""Trainings that stop and go on; those of the methods of the catalogue are checked in engine/methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch
from SemiSupervisedSegLib.engine.training.checkpoint import UNKNOWN_START
from SemiSupervisedSegLib.engine.training.schedules import learning_rate

from ...benchmarks.reliability.kill_and_resume import same_content
from ..methods.toys import toy_batch, toy_method
from .families import FAMILIES, build
from .toy_loop import Run, assert_resumes_anywhere, saved


def batch_of_one_task() -> Batch:
    batch = toy_batch()
    tasks = torch.zeros(len(batch.labeled.images), dtype=torch.long)
    return replace(batch, labeled=replace(batch.labeled, tasks=tasks))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_methods_resumes_at_any_step_bit_by_bit(tmp_path: Path, family: str) -> None:
    assert_resumes_anywhere(
        lambda steps: build(FAMILIES[family], steps=steps, learning_rate=0.05), tmp_path, batch_of_one_task
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_finished_training_is_continued_and_resumed_bit_by_bit(tmp_path: Path, family: str) -> None:
    """The last stage goes on with its new length, and a stop changes nothing."""
    torch.set_num_threads(1)
    lengths = {"short": 4, "longer": 8, "resumed": 8}
    runs = {
        name: Run(build(FAMILIES[family], steps=steps, learning_rate=0.05), make_batch=batch_of_one_task)
        for name, steps in lengths.items()
    }
    runs["short"].go(save_to=tmp_path)
    started = len(runs["short"].loop.method.stages()) > 1 and runs["short"].stages[0][1]
    runs["longer"].loop.restore(saved(tmp_path / "4"), continues=True)
    runs["longer"].go(save_to=tmp_path)
    runs["resumed"].loop.restore(saved(tmp_path / "6"))
    runs["resumed"].go()
    assert runs["longer"].steps == [5, 6, 7, 8]
    assert same_content(runs["longer"].state(), runs["resumed"].state())
    ((_, length),) = runs["longer"].stages
    assert length == 8 - started
    (report,) = runs["longer"].reports
    settings = runs["longer"].loop.method.settings
    assert report.learning_rate == learning_rate(7 - started, length, settings)


def test_the_end_of_an_older_program_is_continued_in_its_last_stage(tmp_path: Path) -> None:
    """Its checkpoints do not keep where a stage began: that follows from the steps it was trained for."""
    short = Run(build(FAMILIES["TwoStages"], steps=10))
    short.go(save_to=tmp_path)
    longer = Run(build(FAMILIES["TwoStages"], steps=100))
    longer.loop.restore(replace(saved(tmp_path / "10"), stage_start=UNKNOWN_START), continues=True)
    longer.go()
    assert [(stage.name, length) for stage, length in longer.stages] == [("selftrain", 96)]


@pytest.mark.parametrize("family", ["StudentAndTeacher", "TwoStages"])
def test_an_average_is_kept_over_a_stop(tmp_path: Path, family: str) -> None:
    assert_resumes_anywhere(
        lambda steps: build(FAMILIES[family], steps=steps, learning_rate=0.05, average_weights=True), tmp_path
    )


def test_another_seed_gives_other_weights() -> None:
    """Else the comparison above would compare nothing random."""
    runs = []
    for seed in (1, 2):
        torch.manual_seed(0)
        runs.append(Run(toy_method("mean_teacher", steps=2), seed=seed))
        runs[-1].go()
    assert not same_content(runs[0].state(), runs[1].state())

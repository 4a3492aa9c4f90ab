"""Comparisons of many trainings, some of which fail; their workers are real processes that train nothing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.engine.worker import compare_job
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.jobs.events import Failed, Finished, Started, StepDone, TableUpdated, WarningRaised
from SemiSupervisedSegLib.jobs.executor import LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
from SemiSupervisedSegLib.jobs.metrics_file import write_metrics
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.jobs.structure_score import StructureScore
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Role

from .comparing import METHODS
from .rounds import EXIT_FAILED, EXIT_FINISHED

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell")


class SlowWorker(WorkerProcess):
    """A worker that runs while all trainings of its comparison are asked about once, so that not all end at once."""

    polls, total = 0, 0

    def poll(self) -> int | None:
        self.polls += 1
        return super().poll() if self.polls > self.total else None


def start(folder: JobFolder) -> WorkerProcess:
    """Start a process that says how it ended by its exit code, after its files were written for it."""
    # How the next tries of a training end lies beside it.
    ways = folder.path.parent / f"{folder.name}.fails"
    left = json.loads(ways.read_text()) if ways.exists() else []
    ways.write_text(json.dumps(left[1:]))
    way = left[0] if left else "finishes"
    commands = {"finishes": f"echo '{{}}' > '{folder.result_file}'", "killed": "kill -9 $$", "says": "exit 2"}
    worker = SlowWorker(folder, ["sh", "-c", commands[way]])
    folder.append_event(Started("x", worker.pid))
    folder.append_event(StepDone("train", 1, 2, {}, 0.1))
    if way == "says":
        folder.append_event(Failed("Too big.", "Lower it."))
    if way == "finishes":
        write_metrics(folder.metrics, scores_of(folder.spec()))
        folder.append_event(Finished())
    return worker


def scores_of(spec: JobSpec) -> list[StructureScore]:
    scores = []
    for number, case in enumerate(case for case in spec.cases if case.role is Role.VALIDATION):
        gain = (0.2 + 0.003 * (number % 5)) * (spec.method == "mean_teacher")
        dice = 0.5 + 0.01 * number + gain + 0.001 * (spec.seed % 7)
        scores.append(StructureScore(case.id, "wall", "final", dice, *[1.0] * 8, False, False))
    return scores


def many_trainings(folder: Path, seeds: int, label_counts: tuple[int, ...]) -> Comparison:
    study = generate_study(folder, labeled=11, unlabeled=1, external=0, validation=1, size=(32, 32, 4))
    spec = make_comparison_spec(study, METHODS, "quick", {}, folds=2, seeds=range(seeds), label_counts=label_counts)
    return new_comparison(study, spec)


def fail(comparison: Comparison, number: int, *ways: str) -> str:
    folder = comparison.trainings()[number].folder
    (comparison.path / f"{folder.name}.fails").write_text(json.dumps(ways))
    return folder.name


@pytest.mark.parametrize(
    ("seeds", "label_counts", "total"),
    [(5, (), 20), pytest.param(25, (1, 2, 3, 4, 5), 500, marks=pytest.mark.slow)],
)
def test_failures_among_many_are_tried_again_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: int, label_counts: tuple[int, ...], total: int
) -> None:
    comparison = many_trainings(tmp_path / "study", seeds, label_counts)
    monkeypatch.setattr(SlowWorker, "total", total)
    assert len(comparison.trainings()) == total
    lost = [fail(comparison, 3, "says", "says"), fail(comparison, 7, "killed", "killed")]
    mended = fail(comparison, 11, "killed")
    assert compare_job.main(comparison.path, LocalQueue(start, limit=total // 5)) == EXIT_FAILED

    states = {training.folder.name: training.folder.is_finished() for training in comparison.trainings()}
    assert [name for name, is_finished in states.items() if not is_finished] == lost
    events = comparison.events()[0]
    tried_again = [event.message for event in events if isinstance(event, WarningRaised)]
    assert len([text for text in tried_again if text.endswith("It is tried again.")]) == len([*lost, mended])
    assert isinstance(events[-1], Failed)
    assert events[-1].message.startswith(f"2 of {total} trainings of the comparison failed: ")
    table = comparison.table()
    missing = [name for row in table.methods for name in row.missing]
    assert missing == ["fold 2 of 2, seed 1", "fold 2 of 2, seed 3"]
    assert sum(row.finished for row in table.methods) == total - 2
    assert table.best == "mean_teacher"
    # The cases of a missing training have the scores of the other seeds.
    assert all(row.cases == 12 and row.has_ended for row in table.methods)
    assert all((row.p_value is None) == (row.method == "mean_teacher") for row in table.methods)
    counts = [event.finished for event in events if isinstance(event, TableUpdated)]
    assert counts == sorted(counts)
    assert len(set(counts)) > 3, "it fills"

    assert compare_job.main(comparison.path, LocalQueue(start, limit=total // 5)) == EXIT_FINISHED
    assert [row.missing for row in comparison.table().methods] == [()] * len(table.methods)


def test_steps_of_trainings_at_the_same_time_are_not_mixed(tmp_path: Path) -> None:
    comparison = many_trainings(tmp_path / "study", 1, ())
    name = fail(comparison, 1, "says")
    comparison.write_request(replace(comparison.request(), at_once=2))
    assert compare_job.main(comparison.path, LocalQueue(start, limit=2)) == EXIT_FINISHED
    events = comparison.events()[0]
    assert not [event for event in events if isinstance(event, StepDone)]
    (warning,) = [event.message for event in events if isinstance(event, WarningRaised)]
    assert name == "supervised-fold2-seed0"
    assert warning == "Supervised, fold 2 of 2: Too big. Lower it. It is tried again."

"""Comparisons that run, are stopped, fail in parts and go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.engine.worker import compare_job
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    StageStarted,
    Started,
    StepDone,
    TableUpdated,
    WarningRaised,
)
from SemiSupervisedSegLib.jobs.executor import LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics
from SemiSupervisedSegLib.jobs.results import is_predicted
from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

from .comparing import METHODS, FinishedWorker, tiny_comparison
from .rounds import EXIT_CANCELLED, EXIT_FAILED, EXIT_FINISHED, half_written, tiny_study


def run(comparison: Comparison, start: type = FinishedWorker) -> int:
    comparison.clear_cancel()
    return compare_job.main(comparison.path, LocalQueue(start))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A comparison that was stopped after its first training and then finished; not to be changed."""
    comparison = tiny_comparison(tiny_study(tmp_path_factory.mktemp("compare") / "study"))

    class StopsAfterFirst(FinishedWorker):
        def __init__(self, folder: JobFolder) -> None:
            super().__init__(folder)
            comparison.request_cancel()

    assert run(comparison, StopsAfterFirst) == EXIT_CANCELLED
    assert isinstance(comparison.events()[0][-1], Cancelled)
    assert comparison.status().state == "cancelled"
    done = sum(row.finished for row in comparison.table().methods)
    assert 1 <= done < len(comparison.trainings())
    first = comparison.trainings()[0].folder
    made = first.spec_file.stat().st_mtime_ns, (first.path / "result.json").stat().st_mtime_ns
    assert run(comparison) == EXIT_FINISHED
    # What was done is not done again.
    assert made == (first.spec_file.stat().st_mtime_ns, (first.path / "result.json").stat().st_mtime_ns)
    return comparison


def test_each_training_is_scored_on_what_it_did_not_learn(finished: Comparison) -> None:
    spec = finished.request()
    for training in finished.trainings():
        folder, job = training.folder, training.folder.spec()
        learned = {case.id for case in job.cases if case.role is Role.LABELED}
        scored = {score.case for score in read_metrics(folder.metrics)}
        assert scored == set(spec.folds[training.fold])
        assert not scored & learned
        # Images without annotation are learned from and not segmented.
        assert {case.id for case in job.cases if is_predicted(folder, case.id)} == scored
        assert folder.report.is_file()
        assert not folder.checkpoints.exists()
        assert not folder.previews.exists()


def test_the_table_and_the_end_say_that_all_is_done(finished: Comparison) -> None:
    table = finished.table()
    assert [(row.method, row.finished, row.trainings, row.cases) for row in table.methods] == [
        (method, 2, 2, 2) for method in METHODS
    ]
    assert table.best in METHODS
    assert all(row.seconds > 0 and not row.problem for row in table.methods)
    assert finished.is_finished()
    events = finished.events()[0]
    assert isinstance(events[-1], Finished)
    # Who reads all of them later knows that the stop is over.
    stop = next(number for number, event in enumerate(events) if isinstance(event, Cancelled))
    assert isinstance(events[stop + 1], Started)
    updates = [event for event in events if isinstance(event, TableUpdated)]
    counts = [event.finished for event in updates]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 4)
    assert len(set(counts)) > 2
    assert updates[-1].seconds_left == 0
    titles = [event.title for event in events if isinstance(event, StageStarted) and event.name == "train"]
    assert titles[0] == "Supervised, fold 1 of 2: Training"
    assert titles[-1] == "Mean Teacher, fold 2 of 2: Training"
    assert any(isinstance(event, StepDone) for event in events)
    assert not half_written(finished.path)


def test_a_comparison_is_no_round(finished: Comparison) -> None:
    assert rounds(finished.path.parents[1]) == []


def test_a_training_that_fails_twice_stops_no_other_and_is_named(tmp_path: Path) -> None:
    study = tiny_study(tmp_path / "study")
    comparison = tiny_comparison(study)
    annotation = study.annotation_path(study.cases[0])
    content = annotation.read_bytes()

    started = []

    class Breaks(FinishedWorker):
        def __init__(self, folder: JobFolder) -> None:
            started.append(folder.name)
            if folder.path == comparison.trainings()[1].folder.path:
                annotation.write_bytes(b"damaged")
            super().__init__(folder)
            annotation.write_bytes(content)

    assert run(comparison, Breaks) == EXIT_FAILED
    end = comparison.events()[0][-1]
    assert isinstance(end, Failed)
    assert end.message.startswith("1 of 4 trainings of the comparison failed: ")
    # The others are not kept waiting by the one that is tried again.
    names = [training.folder.name for training in comparison.trainings()]
    assert started == [*names, names[1]]
    texts = [event.message for event in comparison.events()[0] if isinstance(event, WarningRaised)]
    of_second = [text for text in texts if text.startswith("Supervised, fold 2 of 2: ")]
    assert [text.endswith("It is tried again.") for text in of_second] == [True, False]
    table = comparison.table()
    assert [row.missing for row in table.methods] == [("fold 2 of 2",), ()]
    assert [row.finished for row in table.methods] == [1, 2]
    assert study.cases[0].id in table.methods[0].problem
    assert table.best == "mean_teacher"
    assert run(comparison) == EXIT_FINISHED
    assert [row.missing for row in comparison.table().methods] == [(), ()]
    assert [row.problem for row in comparison.table().methods] == ["", ""]


def test_a_training_that_fails_once_does_not_count(tmp_path: Path) -> None:
    study = tiny_study(tmp_path / "study")
    comparison = tiny_comparison(study)
    annotation = study.annotation_path(study.cases[0])
    content, broken = annotation.read_bytes(), []

    class BreaksOnce(FinishedWorker):
        def __init__(self, folder: JobFolder) -> None:
            if not broken:
                broken.append(folder.name)
                annotation.write_bytes(b"damaged")
            super().__init__(folder)
            annotation.write_bytes(content)

    assert run(comparison, BreaksOnce) == EXIT_FINISHED
    assert broken == [comparison.trainings()[0].folder.name]
    assert [(row.finished, row.missing) for row in comparison.table().methods] == [(2, ()), (2, ())]


def test_a_comparison_runs_only_once_at_a_time(finished: Comparison, capfd: pytest.CaptureFixture[str]) -> None:
    before = finished.events_file.read_bytes(), finished.status()
    with finished.lock():
        assert compare_job.main(finished.path) == EXIT_FAILED
    assert "is in use by process" in capfd.readouterr().err
    assert (finished.events_file.read_bytes(), finished.status()) == before


class Cut(LocalQueue):
    """A machine whose connection is cut when the first training begins its steps."""

    def __init__(self, limit: int) -> None:
        super().__init__(FinishedWorker, limit)
        self._kept: list[Event] = []
        self._cut: JobFolder | None = None

    def events(self, folder: JobFolder) -> list[Event]:
        new = super().events(folder)
        begins = [isinstance(event, StageStarted) and event.name == "train" for event in new]
        if self._cut is None and any(begins):
            self._cut, count = folder, begins.index(True) + 1
            new, self._kept = new[:count], new[count:]
        elif folder == self._cut:
            new, self._kept = [*self._kept, *new], []
        return new

    def notices(self) -> list[str]:
        return ["box cannot be reached."] * 2 if self._kept else []


@pytest.mark.parametrize(
    ("at_once", "stage"), [(1, "Supervised, fold 1 of 2: Training"), (2, "Trainings, 2 at the same time")]
)
def test_what_the_trainings_do_is_said_again_after_a_cut(tmp_path: Path, at_once: int, stage: str) -> None:
    comparison = tiny_comparison(tiny_study(tmp_path / "study"))
    comparison.write_request(replace(comparison.request(), at_once=at_once))
    assert compare_job.main(comparison.path, Cut(at_once)) == EXIT_FINISHED
    titles = [event.title for event in comparison.events()[0] if isinstance(event, StageStarted)]
    cut = titles.index("box cannot be reached.")
    assert titles[cut - 1 : cut + 2] == [stage, "box cannot be reached.", stage]
    assert titles.count("box cannot be reached.") == 1


class OnAnotherMachine(LocalQueue):
    """Stands for a machine that does not answer, for so long that the user may stop the comparison meanwhile."""

    def __init__(self, comparison: Comparison, *, is_stopped: bool) -> None:
        super().__init__(FinishedWorker)
        self._comparison, self._is_stopped = comparison, is_stopped

    def check(self) -> None:
        if self._is_stopped:
            self._comparison.request_cancel()
        raise UserError("box gave no answer.", "Try it again.")


def elsewhere(folder: Path) -> Comparison:
    comparison = tiny_comparison(tiny_study(folder))
    comparison.write_request(replace(comparison.request(), machine="box"))
    return comparison


@pytest.mark.parametrize(
    ("is_stopped", "code", "last"), [(True, EXIT_CANCELLED, Cancelled), (False, EXIT_FAILED, Failed)]
)
def test_a_stop_while_it_connects_is_heard(tmp_path: Path, is_stopped: bool, code: int, last: type[Event]) -> None:
    comparison = elsewhere(tmp_path / "study")
    assert compare_job.main(comparison.path, OnAnotherMachine(comparison, is_stopped=is_stopped)) == code
    assert isinstance(comparison.events()[0][-1], last)
    assert comparison.status().state == ("cancelled" if is_stopped else "failed")
    assert not any(training.folder.events_file.exists() for training in comparison.trainings())


def test_a_machine_is_not_asked_where_nothing_is_left_to_do(tmp_path: Path) -> None:
    comparison = elsewhere(tmp_path / "study")
    assert run(comparison) == EXIT_FINISHED
    # Its worker was killed between the last training and the end.
    (comparison.path / "result.json").unlink()
    assert compare_job.main(comparison.path, OnAnotherMachine(comparison, is_stopped=False)) == EXIT_FINISHED

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.events import Cancelled, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study

from ..tiny import ROOT
from .derived_studies import derive_study
from .protocol_model import Data, MethodRow, Phantom
from .results import RESULTS
from .studies import make_studies
from .sweep import main
from .sweep_cells import Cell, Sweep, cells, find_cell, round_of
from .sweep_run import SweepRun, Task, worker_slots
from .synthetic_sweep import finish, synthetic_protocol, synthetic_scores, synthetic_study

# Far more than it takes, for machines that do much else.
PATIENCE_SECONDS = 400


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def events_of(folder: JobFolder, kind: type) -> list:
    return [event for event in folder.events()[0] if isinstance(event, kind)]


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_a_sweep_is_stopped_and_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "labeled-2"
    command = [sys.executable, "-m", "Testing.benchmarks.accuracy.sweep", "--tiny", "--output", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(rounds(study)) == 2 and events_of(rounds(study)[1], Started))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 130, output
    assert "The same command continues" in output
    first, second = rounds(study)
    assert events_of(second, Cancelled)
    assert second.result() is None
    assert not second.is_running()
    before = first.metrics.stat().st_mtime_ns

    assert main(["--tiny", "--output", str(tmp_path)]) == 0
    assert "1 of 3 rounds are done." in capsys.readouterr().out
    assert [folder.name for folder in rounds(study)] == ["001-supervised", "002-cu2l"]
    assert first.metrics.stat().st_mtime_ns == before, "a finished round was trained again"
    assert len(events_of(first, Started)) == 1
    assert [event.step for event in events_of(second, StepDone)][-1] == 2
    with open(tmp_path / RESULTS / "scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["method"], row["kind"]) for row in rows} == {
        *((method, kind) for method in ("Supervised", "CU2L") for kind in ("final", "prototype")),
        ("Supervised, public loop", "final"),
    }
    assert all(float(row["cpu_seconds"]) > 0 for row in rows)
    assert all(row["cases"] == "3" for row in rows)

    (public,) = rounds(tmp_path / "labeled-2-public")
    before = public.metrics.stat().st_mtime_ns
    assert main(["--tiny", "--output", str(tmp_path)]) == 0
    assert "3 of 3 rounds are done." in capsys.readouterr().out
    assert public.metrics.stat().st_mtime_ns == before, "a finished public loop was trained again"


def test_rounds_of_a_cell_are_known_by_their_jobs(tmp_path: Path) -> None:
    sweep = Sweep(synthetic_protocol())
    study = synthetic_study(tmp_path / "labeled-7", 7)
    cell, other = cells(sweep.protocol)[:2]
    assert find_cell(sweep, cell, study) is None
    finish(study, sweep, cell, synthetic_scores(study, 0), [])
    folder = find_cell(sweep, cell, study)
    assert round_of(sweep, cell, study, "cpu").path == folder.path
    assert find_cell(sweep, other, study) is None
    assert find_cell(sweep, Cell(cell.row, 7, seed=1), study) is None
    longer = Sweep(synthetic_protocol(settings={"steps": 11}))
    assert find_cell(longer, cells(longer.protocol)[0], study) is None
    # How it was computed is no part of what was computed.
    threads = Sweep(synthetic_protocol(settings={"steps": 10, "threads": 1}))
    assert find_cell(threads, cells(threads.protocol)[0], study).path == folder.path
    followed = Sweep(sweep.protocol, best_on_test=5)
    assert find_cell(followed, cell, study) is None
    (tmp_path / "labeled-7" / "rounds" / "002-supervised").mkdir()
    assert find_cell(sweep, cell, study).path == folder.path


def test_studies_have_the_same_test_cases_at_every_label_count(tmp_path: Path) -> None:
    phantom = Phantom(unlabeled=2, external=1, validation=2, size=(16, 16, 4))
    protocol = synthetic_protocol(data=Data("phantom", phantom=phantom), labeled=(1, 3), published=None)
    studies = make_studies(protocol, None, tmp_path)
    assert list(studies) == ["labeled-1", "labeled-3"]
    few, more = studies.values()
    assert few.cases_of(Role.VALIDATION) == more.cases_of(Role.VALIDATION)
    assert [case.id for case in few.cases_of(Role.LABELED)] == [more.cases_of(Role.LABELED)[0].id]
    assert len(few.cases_of(Role.UNLABELED)) == 5
    assert all(case.annotation is None for case in few.cases_of(Role.UNLABELED))
    assert all(study.image_path(case).is_file() for study in (few, more) for case in study.cases)
    assert make_studies(protocol, None, tmp_path) == studies


def test_a_row_without_other_sites_has_the_same_test_cases_and_no_other_unlabeled_ones(tmp_path: Path) -> None:
    phantom = Phantom(unlabeled=2, external=3, validation=2, external_validation=2, size=(16, 16, 4))
    rows = (MethodRow("supervised"), MethodRow("ua_mt"), MethodRow("ua_mt", "alone", other_sites=False))
    protocol = synthetic_protocol(data=Data("phantom", phantom=phantom), labeled=(1,), methods=rows, published=None)
    studies = make_studies(protocol, None, tmp_path)
    assert list(studies) == ["labeled-1", "labeled-1-own-site"]
    both, alone = studies.values()
    left_out = {case.id for case in both.cases} - {case.id for case in alone.cases}
    assert left_out == {
        case.id for case in both.cases if both.is_external(case) and case.role is Role.UNLABELED and not case.annotation
    }
    assert len(left_out) == 3
    assert alone.cases == tuple(case for case in both.cases if case.id not in left_out)
    assert sum(both.is_external(case) for case in both.cases_of(Role.VALIDATION)) == 2


def test_a_study_that_was_cut_off_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    source = generate_study(
        tmp_path / "given", labeled=2, unlabeled=1, external=0, sites=1, validation=1, size=(16, 16, 4)
    )
    unfinished = tmp_path / "sweep" / ".unfinished-labeled-2"
    derive_study(source, unfinished, 1, "cut off")
    protocol = synthetic_protocol(labeled=(2,), published=None, structures=("wall",))
    study = make_studies(protocol, tmp_path / "given", tmp_path / "sweep")["labeled-2"]
    assert len(study.cases_of(Role.LABELED)) == 2
    assert study == load_study(tmp_path / "sweep" / "labeled-2")
    assert not unfinished.exists()


def test_data_that_do_not_fit_the_protocol_end_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs data"):
        make_studies(synthetic_protocol(), None, tmp_path)
    synthetic_study(tmp_path / "given", 3)
    with pytest.raises(UserError, match="7 cases cannot be labeled"):
        make_studies(synthetic_protocol(), tmp_path / "given", tmp_path / "first")
    protocol = synthetic_protocol(labeled=(3,), published=None, structures=("heart",))
    with pytest.raises(UserError, match="'heart', which the data do not have"):
        make_studies(protocol, tmp_path / "given", tmp_path / "second")


def test_workers_at_once_get_a_gpu_or_their_share_of_the_cores() -> None:
    assert worker_slots(2, "auto", 2, {}) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    given = {"CUDA_VISIBLE_DEVICES": "3,5"}
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in worker_slots(3, "cuda", 2, given)] == ["3", "5", "3"]
    assert worker_slots(1, "cpu", 2, {}) == [{}]
    assert int(worker_slots(2, "auto", 0, {})[1]["OMP_NUM_THREADS"]) >= 1
    assert worker_slots(2, "auto", 0, {"OMP_NUM_THREADS": "1"}) == [{}, {}]


def test_tasks_that_fail_are_reported_and_do_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = cells(synthetic_protocol())[:3]
    tasks = [Task(cell, JobFolder(tmp_path / "rounds" / str(index)), 10) for index, cell in enumerate(planned)]
    tasks[1].done = 1.0
    for task in tasks:
        # A job folder without a job.
        task.folder.path.mkdir(parents=True)
    assert SweepRun(tasks, [{}]).run()
    assert [bool(task.problem) for task in tasks] == [True, False, True]
    assert "There is no job in" in tasks[2].problem
    assert capsys.readouterr().out.count("FAILED: ") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "It is not clear what to run"),
        (["nothing"], "There is no protocol nothing"),
        (["acdc"], "needs data"),
        (["phantom", "--device", "gpu"], "no device named 'gpu'"),
        (["phantom_tiny", "--quick"], "has no quick form"),
    ],
)
def test_bad_requests_end_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main([*options, "--output", str(tmp_path / "sweep")]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert words in errors

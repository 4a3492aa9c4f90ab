"""Predictions in shards, by small programs that segment nothing and may end in the middle."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.events import Cancelled, Event, Finished, Progress, WarningRaised
from SemiSupervisedSegLib.jobs.executor import LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
from SemiSupervisedSegLib.jobs.remote.record import new_record
from SemiSupervisedSegLib.jobs.results import is_predicted
from SemiSupervisedSegLib.jobs.sharded_prediction import ShardedPrediction, has_shards, machines_of_shards
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")
_WORKER = """
import os, signal, sys, time
from SemiSupervisedSegLib.jobs.events import *
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.results import CaseSummary, is_predicted, write_summary
folder = JobFolder(sys.argv[1])
spec = folder.spec()
done = open(folder.path.parents[1] / "segmented.txt", "a")
if "cannot start" in spec.study_name:
    folder.append_event(Failed("There is no device.", "Use another one."))
    sys.exit(2)
for case in spec.cases:
    if "unreadable" in case.id:
        folder.append_event(Failed(f"Case {case.id}: It cannot be read.", "Export it again."))
        sys.exit(2)
with folder.lock():
    failed = []
    folder.append_event(StageStarted("predict", "Segmenting images", len(spec.cases)))
    for number, case in enumerate(spec.cases, start=1):
        if "kills" in case.id:
            os.kill(os.getpid(), signal.SIGKILL)
        while "waits" in case.id and not folder.cancel_requested():
            time.sleep(0.01)
        if folder.cancel_requested():
            folder.append_event(Cancelled(0))
            sys.exit(3)
        if "bad" in case.id:
            failed.append({"message": f"Case {case.id}: It is bad.", "advice": "Leave it out."})
            folder.append_event(WarningRaised(f"Case {case.id}: It is bad. Leave it out."))
        elif not is_predicted(folder, case.id):
            place = folder.predictions / case.id
            place.mkdir(parents=True)
            write_summary(place, CaseSummary(case.id, {"a": 1.0}, {"a": 1.0}, {"a": 1.0}, 0.0, 0.0))
            print(case.id, file=done, flush=True)
        folder.append_event(Progress("predict", number, len(spec.cases)))
    folder.write_result({"kind": "predict", "cases": [], "failed": failed})
"""


def start(folder: JobFolder) -> WorkerProcess:
    return WorkerProcess(folder, [sys.executable, "-c", _WORKER, str(folder.path)])


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., JobFolder]:
    def make(*ids: str, name: str = "new") -> JobFolder:
        folder = JobFolder(tmp_path / "out")
        cases = tuple(
            JobCase(case_id, f"/images/{case_id}.nrrd", "", Role.UNLABELED, external=False) for case_id in ids
        )
        folder.write_spec(JobSpec("predict", "", "", {}, "cpu", 0, name, None, (), cases, model="/model"))
        return folder

    return make


def run(folder: JobFolder, count: int, stop_at: frozenset[str] = frozenset()) -> dict | None:
    """Segment in shards, two at a time, and stop when some cases are segmented."""
    queue, told = LocalQueue(start, limit=2), list[Event]()
    with folder.lock():
        prediction = ShardedPrediction(folder, queue, count, told.append)
        prediction.submit()
        end = time.monotonic() + 60
        while not prediction.advance():
            assert time.monotonic() < end, "not in time"
            if stop_at and stop_at <= set(segmented(folder)):
                queue.cancel()
            time.sleep(0.01)
        return prediction.finish()


def segmented(folder: JobFolder) -> list[str]:
    file = folder.path / "segmented.txt"
    return file.read_text().split() if file.exists() else []


def test_all_images_are_segmented_once_whatever_happens_to_some(make_job):
    ids = [f"case-{number:02d}" for number in range(20)]
    ids[3], ids[7], ids[8] = "bad-03", "kills-07", "kills-08"
    folder = make_job(*ids)
    result = run(folder, 4)
    good = [case_id for case_id in ids if case_id.startswith("case")]
    assert sorted(segmented(folder)) == good
    assert [case["case"] for case in result["cases"]] == good
    assert all(is_predicted(folder, case_id) for case_id in good)
    failed = {failure["message"].split(":")[0]: failure for failure in result["failed"]}
    assert sorted(failed) == ["Case bad-03", "Case kills-07", "Case kills-08"]
    assert "It is bad." in failed["Case bad-03"]["message"]
    assert "SIGKILL" in failed["Case kills-07"]["message"]
    assert folder.is_finished()
    assert folder.status().state == "finished"
    events = folder.events()[0]
    assert isinstance(events[-1], Finished)
    assert [event for event in events if isinstance(event, Progress)][-1].done == 20
    assert len([event for event in events if isinstance(event, WarningRaised)]) == 1
    assert not has_shards(folder)


def test_a_stopped_prediction_is_resumed_in_other_shards_and_repeats_nothing(make_job):
    ids = ["case-0", "case-1", "waits-2", "waits-3", "case-4", "case-5"]
    folder = make_job(*ids)
    assert run(folder, 2, stop_at=frozenset({"case-0", "case-1"})) is None
    assert isinstance(folder.events()[0][-1], Cancelled)
    assert folder.status().state == "cancelled"
    assert sorted(segmented(folder)) == ["case-0", "case-1"]
    assert is_predicted(folder, "case-0")
    spec = folder.spec()
    folder.write_spec(replace(spec, cases=tuple(case for case in spec.cases if "waits" not in case.id)))
    result = run(folder, 3)
    assert sorted(segmented(folder)) == ["case-0", "case-1", "case-4", "case-5"]
    assert len(result["cases"]) == 4


def test_what_a_killed_command_has_left_is_taken_over(make_job):
    folder = make_job("case-0", "case-1", "waits-2")
    with folder.lock():
        queue = LocalQueue(start)
        prediction = ShardedPrediction(folder, queue, 1, lambda event: None)
        prediction.submit()
        while "case-1" not in segmented(folder):
            prediction.advance()
            time.sleep(0.01)
    (shard,) = (folder.path / "shards").iterdir()
    with pytest.raises(UserError, match="in use"):
        ShardedPrediction(folder, queue, 1, lambda event: None)
    os.kill(_pid(queue), signal.SIGKILL)
    while JobFolder(shard).is_running():
        time.sleep(0.01)
    spec = folder.spec()
    folder.write_spec(replace(spec, cases=spec.cases[:2]))
    assert len(run(folder, 2)["cases"]) == 2
    assert segmented(folder) == ["case-0", "case-1"]


def _pid(queue: LocalQueue) -> int:
    (worker,) = queue._running.values()
    return worker.pid


def test_a_place_where_nothing_starts_fails_every_image_with_its_reason(make_job):
    folder = make_job("case-0", "case-1", name="cannot start")
    with pytest.raises(UserError, match=r"Case case-0: There is no device\.\nCase case-1: There is no device\."):
        run(folder, 2)
    assert folder.status().state == "failed"
    assert folder.result() is None


def test_an_image_that_cannot_be_sent_ends_no_other(make_job):
    folder = make_job("case-0", "unreadable-1", "case-2")
    result = run(folder, 1)
    assert segmented(folder) == ["case-0", "case-2"]
    assert result["failed"] == [{"message": "Case unreadable-1: It cannot be read.", "advice": "Export it again."}]


def test_shards_on_another_machine_stay_as_they_are(make_job):
    folder = make_job("case-0", "case-1", "case-2")
    ShardedPrediction(folder, LocalQueue(start), 3, lambda event: None)
    first, second, _ = map(JobFolder, sorted((folder.path / "shards").iterdir()))
    new_record(second, "box")
    assert machines_of_shards(folder) == {"box"}
    ShardedPrediction(folder, LocalQueue(start), 1, lambda event: None)
    shards = {path.name: JobFolder(path).spec() for path in (folder.path / "shards").iterdir()}
    assert {name: [case.id for case in spec.cases] for name, spec in shards.items()} == {
        "0002": ["case-1"],
        "0003": ["case-0", "case-2"],
    }
    assert not first.exists()

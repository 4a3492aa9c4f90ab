"""Jobs that share their images on another machine over a real sshd: sent once, and removed with the last job."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.engine.worker import compare_job
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.events import StageStarted, Started, WarningRaised
from SemiSupervisedSegLib.jobs.executor import ENDED, LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import add_machine
from SemiSupervisedSegLib.jobs.remote import slurm_commands
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.remote.record import read_record
from SemiSupervisedSegLib.jobs.remote.shipment import Shipment
from SemiSupervisedSegLib.jobs.remote.slurm_commands import QueueEntry
from SemiSupervisedSegLib.jobs.remote.slurm_job import SlurmJob, queued_names

from ...engine.worker.comparing import FinishedWorker, tiny_comparison
from ...engine.worker.rounds import tiny_study
from .private_study import leaks, new_private_round, private_study

SECONDS = 280.0


def sendings(jobs: list[JobFolder]) -> int:
    events = (event for job in jobs for event in job.events()[0])
    return len([event for event in events if isinstance(event, StageStarted) and event.name == "send"])


def wait_for_end(executor: SshExecutor, jobs: list[JobFolder]) -> int:
    """Return how many ran at the same time."""
    end, most = time.monotonic() + SECONDS, 0
    while any(executor.state(job) not in ENDED for job in jobs):
        assert time.monotonic() < end, "not in time"
        most = max(most, [executor.state(job) for job in jobs].count("running"))
        time.sleep(0.02)
    return most


def test_shared_images_are_sent_once_although_sending_was_cut(far, tmp_path):
    study = private_study(tmp_path / "study")
    jobs = [new_private_round(study, device="cuda:99") for _ in range(3)]
    far.wire.budget["up"] = 30_000
    executor = SshExecutor(far.machine, pauses=(0.05,), limit=2)
    executor.submit_together(jobs)
    assert wait_for_end(executor, jobs) == 2
    # With the messages, as a failure of another kind explains all that follows.
    assert ["CUDA" in executor.outcome(job).message for job in jobs] == [True] * 3, list(map(executor.outcome, jobs))
    assert far.wire.cuts == 1
    assert [executor.outcome(job).kind for job in jobs] == ["failed"] * 3
    (there,) = far.jobs()
    assert sorted(path.name for path in there.glob("rounds/*")) == [job.name for job in jobs]
    assert len(list(there.glob("images/*"))) == len(study.cases)
    assert leaks(there, study) == []
    # The first try was cut.
    assert 1 <= sendings(jobs) <= 2

    executor.submit(jobs[2])
    wait_for_end(executor, jobs)
    assert executor.outcome(jobs[2]).kind == "failed"
    assert len([event for event in jobs[2].events()[0] if isinstance(event, Started | StageStarted)]) >= 2
    assert sendings(jobs) <= 2
    executor.detach()


def test_jobs_get_the_same_pseudonyms_also_after_an_attempt_that_ended_early(tmp_path):
    study = private_study(tmp_path / "study")
    jobs = [new_private_round(study) for _ in range(3)]
    first = Shipment(jobs[:1]).record(jobs[0], "box")
    records = [Shipment(jobs).record(job, "box") for job in reversed(jobs)]
    assert {record.names.token for record in records} == {first.names.token}
    shipment = Shipment(jobs)
    shipment.keep_sent(jobs[:2])
    assert [folder.name for folder in shipment.unsent(first.names)] == [jobs[2].name]
    # What was sent is closed: another job gets another place.
    shipment.keep_sent(jobs[2:])
    late = new_private_round(study)
    assert Shipment([*jobs, late]).record(late, "box").names.token != first.names.token


def test_jobs_beside_each_other_have_names_of_their_own_in_the_queue(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(slurm_commands, "entries", lambda *filters: asked.append(filters) or [])
    for name in ("001-supervised", "002-supervised"):
        assert not SlurmJob(JobFolder(tmp_path / "0123456789ab" / "rounds" / name)).is_queued()
    names = [filters[0].removeprefix("--name=") for filters in asked]
    assert len(set(names)) == 2
    entries = [QueueEntry("7", "RUNNING", "None", names[0]), QueueEntry("8", "COMPLETED", "None", "other-job")]
    monkeypatch.setattr(slurm_commands, "entries", lambda *filters: entries)
    assert queued_names() == {"0123456789ab"}


@pytest.mark.slow
def test_a_comparison_there_is_the_one_here_although_a_worker_was_killed(far, tmp_path):
    add_machine(far.machine)
    here = tiny_comparison(tiny_study(tmp_path / "here"))
    # In this process, which takes a fraction of the time.
    assert compare_job.main(here.path, LocalQueue(FinishedWorker)) == 0
    there = tiny_comparison(tiny_study(tmp_path / "there"))
    there.write_request(replace(there.request(), at_once=2, machine="box"))
    killer = threading.Thread(target=_kill_worker_of, args=(there.trainings()[2].folder,), daemon=True)
    killer.start()
    assert compare_job.main(there.path) == 0
    killer.join()
    (warning,) = [event.message for event in there.events()[0] if isinstance(event, WarningRaised)]
    assert warning.startswith("Mean Teacher, fold 1 of 2: The worker ended before its work was done")
    for own, other in zip(here.trainings(), there.trainings(), strict=True):
        assert own.folder.metrics.read_bytes() == other.folder.metrics.read_bytes()
        assert not (other.folder.path / "remote.json").exists()
    assert sendings([training.folder for training in there.trainings()]) == 1
    assert [row.finished for row in there.table().methods] == [2, 2]
    assert far.jobs() == []


def _kill_worker_of(job: JobFolder) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        pids = [event.pid for event in job.events()[0] if isinstance(event, Started)]
        if pids:
            os.kill(pids[0], signal.SIGKILL)
            return
        time.sleep(0.02)


@pytest.mark.slow
def test_a_comparison_there_is_continued_where_it_was_begun(far, tmp_path: Path, capsys):
    add_machine(far.machine)
    comparison = tiny_comparison(tiny_study(tmp_path / "study"))
    _begin_elsewhere(comparison)
    arguments = ["compare", str(comparison.path.parents[1]), "--methods", *comparison.request().methods]
    spec = comparison.request()
    settings = [part for name, value in spec.settings.items() for part in ("--set", f"{name}={value}")]
    arguments += ["--preset", spec.preset, "--device", "cpu", *settings]
    assert command(arguments) == 2
    assert "Continue it with --on box." in capsys.readouterr().err
    assert command([*arguments, "--on", "box", "--jobs", "2"]) == 0
    assert "Continuing 001-compare" in capsys.readouterr().out
    assert comparison.is_finished()
    assert far.jobs() == []


def _begin_elsewhere(comparison: Comparison) -> None:
    folder = comparison.trainings()[0].folder
    record = Shipment([training.folder for training in comparison.trainings()]).record(folder, "box")
    assert read_record(folder) == record

"""Jobs in the queue of a real Slurm that wait, are refused or soon end; whole trainings are in test_slurm_rounds."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.executor import ENDED
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import Machine, load_machines
from SemiSupervisedSegLib.jobs.remote.checks import partitions
from SemiSupervisedSegLib.jobs.remote.connection import Connection
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.remote.same_program import check_version
from SemiSupervisedSegLib.jobs.remote.slurm_commands import QueueEntry, refusal
from SemiSupervisedSegLib.jobs.remote.slurm_words import _ENDS, describe_end, describe_wait
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest, minutes_of
from SemiSupervisedSegLib.study.errors import UserError

from .private_study import leaks, new_private_round
from .slurm_server import Slurm, wait_until

SECONDS = 120.0


def machine_of(folder: Path, **request: int | str) -> Machine:
    return Machine("cluster", "", str(folder), SlurmRequest(**{"minutes": 10, **request}))


def wait_for_end(executor: SshExecutor, job: JobFolder) -> list[str]:
    end, notices = time.monotonic() + SECONDS, []
    while executor.state(job) not in ENDED:
        assert time.monotonic() < end, "not in time"
        notices += executor.notices()
        time.sleep(0.02)
    executor.detach()
    return notices + executor.notices()


def wait_for_notice(executor: SshExecutor, words: str) -> None:
    end = time.monotonic() + SECONDS
    while not any(words in notice for notice in executor.notices()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@pytest.fixture
def busy(cluster: Slurm) -> str:
    """The id of a job that takes the whole cluster."""
    job = cluster.run("sbatch", "--parsable", "--time=30", "--chdir", str(cluster.home), "--wrap", "sleep 1000").strip()
    wait_until(lambda: cluster.jobs()[job] == "RUNNING")
    return job


@pytest.mark.slow
def test_a_cluster_is_added_tested_and_what_it_lacks_is_said(cluster, tmp_path, capsys):
    folder = str(tmp_path / "there")
    assert command(["machine", "add", "cluster", "--slurm", "--time", "1:00:00", "--folder", folder]) == 0
    assert "machine test cluster" in capsys.readouterr().out
    assert load_machines() == (Machine("cluster", "", folder, SlurmRequest(60)),)
    assert command(["machine", "test", "cluster"]) == 0
    said = capsys.readouterr().out
    assert "Slurm: main* (at most 1:00:00, no cards); urgent" in said
    assert "Job: Slurm would take it" in said
    assert command(["machine", "list"]) == 0
    assert "this computer" in capsys.readouterr().out
    assert command(["machine", "setup", "cluster"]) == 0
    assert "nothing is installed" in capsys.readouterr().out


def test_what_a_cluster_lacks_is_said_before_a_job_is_queued(cluster, tmp_path):
    for request, expected in (
        ({"partition": "nope"}, "There is no partition nope; there are: main, urgent."),
        ({"minutes": 61}, "The partition main allows 1:00:00 at most."),
    ):
        with pytest.raises(UserError) as caught:
            partitions(Connection(machine_of(tmp_path, **request)))
        assert caught.value.message == expected
        assert "machine add" in caught.value.advice
    for request, lack in (
        ({"cards": 1}, "the cluster has no graphics cards that a job can ask for"),
        ({"memory": 500}, "no node has so many cards, so many cores or so much memory"),
        ({"cores": 99}, "no node has so many cards, so many cores or so much memory"),
    ):
        machine = machine_of(tmp_path, **request)
        with pytest.raises(UserError, match=rf"Slurm refuses the job: {lack}\. Change .*machine add"):
            Connection(machine).call("trial", *machine.slurm.words())
    assert cluster.jobs() == {}


def test_a_machine_without_slurm_is_said(tmp_path, monkeypatch):
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="There is no Slurm: its command sinfo is not found"):
        partitions(Connection(machine_of(tmp_path / "there")))


def test_a_job_that_waits_says_why_and_is_stopped_by_its_id(cluster, busy, study, tmp_path):
    job = new_private_round(study)
    executor = SshExecutor(machine_of(tmp_path / "there"))
    executor.submit(job)
    wait_for_notice(executor, "waits in the queue until enough of the cluster is free.")
    assert executor.state(job) == "running"
    assert "waits in the queue" in job.status().message
    (there,) = (tmp_path / "there" / "jobs").iterdir()
    assert leaks(there, study) == []
    executor.cancel()
    wait_for_end(executor, job)
    assert executor.outcome(job).kind == "stopped"
    assert job.status().state == "cancelled"
    states = cluster.jobs()
    assert states.pop(busy) == "RUNNING"
    assert list(states.values()) == ["CANCELLED"]


def test_a_job_that_somebody_cancels_on_the_cluster_is_a_failure_and_is_queued_again(cluster, busy, study, tmp_path):
    job = new_private_round(study)
    machine = machine_of(tmp_path / "there")
    executor = SshExecutor(machine)
    executor.submit(job)
    wait_for_notice(executor, "waits in the queue")
    (own,) = set(cluster.jobs()) - {busy}
    cluster.run("scancel", own)
    wait_for_end(executor, job)
    outcome = executor.outcome(job)
    assert (outcome.kind, outcome.message) == ("failed", f"Job {own} was cancelled on the cluster.")
    assert outcome.advice.startswith("Resume the round")
    again = SshExecutor(machine)
    again.send(job)
    assert any(notice.endswith("was given to cluster.") for notice in again.notices())
    assert sorted(cluster.jobs().values()) == ["CANCELLED", "PENDING", "RUNNING"]
    with pytest.raises(UserError, match="1 jobs are running"):
        from SemiSupervisedSegLib.jobs.remote.installation import _check_idle

        _check_idle(Connection(machine))


def test_two_computers_at_one_round_queue_one_job(cluster, busy, study, tmp_path):
    job = new_private_round(study)
    machine = machine_of(tmp_path / "there")
    SshExecutor(machine).send(job)
    (own,) = set(cluster.jobs()) - {busy}
    (there,) = (tmp_path / "there" / "jobs").glob("*/rounds/*")
    # As if the connection was cut after the submission.
    (there / "slurm.json").unlink()
    threads = [threading.Thread(target=SshExecutor(machine).send, args=(copy_of(job, tmp_path / n),)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(cluster.jobs()) == {busy, own}
    assert json.loads((there / "slurm.json").read_text())["id"] == own


def copy_of(job: JobFolder, place: Path) -> JobFolder:
    """Return the round as another computer has it, with the same images."""
    place.mkdir()
    subprocess.run(["cp", "-r", str(job.path), str(place)], check=True)
    return JobFolder(place / job.name)


@pytest.mark.slow
def test_a_failure_of_the_worker_is_told_as_one_here(cluster, study, tmp_path):
    job = new_private_round(study, device="cuda:99")
    executor = SshExecutor(machine_of(tmp_path / "there"))
    executor.submit(job)
    notices = wait_for_end(executor, job)
    assert executor.outcome(job).kind == "failed"
    assert "CUDA" in executor.outcome(job).message + executor.outcome(job).advice
    assert any(notice.startswith("Job ") for notice in notices)


def test_a_refused_job_is_said_in_a_sentence(cluster, study, tmp_path):
    job = new_private_round(study)
    executor = SshExecutor(machine_of(tmp_path / "there", partition="nope"))
    executor.submit(job)
    wait_for_end(executor, job)
    expected = "On cluster: Slurm refuses the job: Invalid partition name specified."
    assert executor.outcome(job).message == expected


@pytest.mark.slow
def test_a_controller_that_is_away_ends_no_job(cluster, busy, study, tmp_path):
    job = new_private_round(study)
    executor = SshExecutor(machine_of(tmp_path / "there"), pauses=(0.05,))
    executor.submit(job)
    wait_for_notice(executor, "waits in the queue")
    cluster.stop("slurmctld")
    wait_for_notice(executor, "Slurm does not answer. The job goes on.")
    assert executor.state(job) == "running"
    executor.detach()
    again = SshExecutor(machine_of(tmp_path / "there"), pauses=(0.05,))
    again.submit(job)
    wait_for_notice(again, "On cluster: Slurm does not answer. Trying again")
    cluster.start("slurmctld", "-D")
    wait_for_notice(again, "waits in the queue")
    again.cancel()
    wait_for_end(again, job)
    assert again.outcome(job).kind == "stopped"


def test_the_program_of_this_computer_is_that_of_its_cluster(tmp_path):
    check_version(Connection(machine_of(tmp_path)))


@pytest.mark.parametrize(("text", "minutes"), [("90", 90), ("24:00:00", 1440), ("2-01:30:00", 2970), ("0:05:00", 5)])
def test_durations_are_those_of_slurm(text, minutes):
    assert minutes_of(text) == minutes
    assert minutes_of(SlurmRequest(minutes).time()) == minutes


@pytest.mark.parametrize("text", ["", "1:30", "1h", "1-12", "-5", "1:00:00; x"])
def test_other_durations_are_refused(text, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(ValueError):
        minutes_of(text)
    assert command(["machine", "add", "cluster", "--slurm", f"--time={text}"]) == 2
    assert "such as --time 24:00:00" in capsys.readouterr().err


def test_a_request_travels_as_words_that_no_shell_reads_otherwise():
    request = SlurmRequest(60, "gpu,long", "lab-7", cards=2, memory=16)
    assert SlurmRequest.from_words(request.words()) == request
    assert request.words() == ("minutes=60", "partition=gpu,long", "account=lab-7", "cards=2", "memory=16")
    for change in ({"partition": "a b"}, {"account": "$(x)"}, {"partition": "-x"}, {"cards": -1}, {"minutes": 1}):
        with pytest.raises(UserError):
            SlurmRequest(**{"minutes": 60, **change})
    for words in (("minutes",), ("minutes=x",), ("other=1",), ()):
        with pytest.raises(UserError):
            SlurmRequest.from_words(words)


def test_options_of_a_queue_need_slurm(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert command(["machine", "add", "box", "host", "--cards", "1"]) == 2
    assert "Add --slurm" in capsys.readouterr().err
    assert command(["machine", "add", "box"]) == 2
    assert "host" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("PENDING", "Priority", "Job 7 waits in the queue behind jobs of higher priority."),
        ("PENDING", "None", "Job 7 waits in the queue."),
        ("PENDING", "QOSMaxJobsPerUserLimit", "Job 7 waits in the queue (QOSMaxJobsPerUserLimit)."),
        (
            "PENDING",
            "ReqNodeNotAvail, n1",
            "Job 7 waits in the queue for nodes that are not available now.",
        ),
        ("REQUEUE_HOLD", "x", "Job 7 is requeue hold."),
        ("RUNNING", "None", "Job 7 runs."),
    ],
)
def test_sentences_of_the_queue(state, reason, expected):
    assert describe_wait(QueueEntry("7", state, reason, "x")) == expected


@pytest.mark.parametrize("state", [*_ENDS, "FAILED"])
def test_every_end_is_one_sentence_and_one_advice(state):
    message, advice = describe_end("7", state, "srun: error: no python.")
    assert message.startswith("Job 7 ")
    assert message.count(".") == advice.count(".") == 1
    assert ("no python" in message) == (state == "FAILED")


def test_the_reason_of_a_refusal_is_its_last_clause():
    said = "sbatch: error: x\nsbatch: error: Batch job submission failed: Invalid account.\n"
    assert refusal(said).message == "Slurm refuses the job: Invalid account."
    assert "no reason was given" in refusal("").message

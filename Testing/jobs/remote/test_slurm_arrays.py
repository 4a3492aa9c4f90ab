"""Jobs of a comparison in the queue of a real Slurm, as one array."""

from __future__ import annotations

import pytest

from SemiSupervisedSegLib.jobs.machines import Machine
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.remote.queued_worker import _own_id
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest

from .private_study import leaks, new_private_round
from .slurm_server import wait_until

SECONDS = 250.0


def follow(executor: SshExecutor, jobs: list) -> list[str]:
    notices: list[str] = []

    def have_all_ended() -> bool:
        notices.extend(executor.notices())
        return all(executor.state(job) in ("finished", "failed", "stopped") for job in jobs)

    wait_until(have_all_ended, SECONDS)
    return notices + executor.notices()


@pytest.mark.slow
def test_jobs_are_queued_as_one_array_with_a_limit_and_a_failed_one_alone(cluster, study, tmp_path):
    machine = Machine("cluster", "", str(tmp_path / "there"), SlurmRequest(10))
    jobs = [new_private_round(study, device="cuda:99") for _ in range(3)]
    executor = SshExecutor(machine, pauses=(0.05,), limit=2)
    executor.submit_together(jobs)
    notices = follow(executor, jobs)
    (array,) = [notice for notice in notices if "as array" in notice]
    number = array.split()[-1].rstrip(".")
    assert array == f"3 jobs were given to cluster as array {number}."
    assert sorted(cluster.jobs()) == [f"{number}_{index}" for index in range(3)]
    assert "ArrayTaskThrottle=2" in cluster.run("scontrol", "show", "job", f"{number}_0")
    # The first speaks for all of the way through the queue.
    assert any(f"Job {number}_0 " in notice for notice in notices)
    assert not any(f"Job {number}_1 " in notice for notice in notices)
    assert [executor.outcome(job).kind for job in jobs] == ["failed"] * 3
    assert all("CUDA" in executor.outcome(job).message for job in jobs)
    (there,) = (tmp_path / "there" / "jobs").iterdir()
    assert leaks(there, study) == []

    executor.submit(jobs[1])
    notices = follow(executor, jobs)
    assert any("was given to cluster" in notice for notice in notices)
    assert len(cluster.jobs()) == 4
    executor.detach()


@pytest.mark.slow
def test_a_stop_takes_what_has_not_begun_out_of_the_queue(cluster, study, tmp_path):
    command = ("sbatch", "--parsable", "--time=30", "--chdir", str(cluster.home), "--wrap", "sleep 1000")
    wait = cluster.run(*command).strip()
    wait_until(lambda: cluster.jobs()[wait] == "RUNNING")
    machine = Machine("cluster", "", str(tmp_path / "there"), SlurmRequest(10))
    jobs = [new_private_round(study) for _ in range(4)]
    executor = SshExecutor(machine, pauses=(0.05,), limit=2)
    executor.submit_together(jobs)
    wait_until(lambda: len(cluster_tasks(cluster)) == 4)
    executor.cancel()
    follow(executor, jobs)
    assert [executor.outcome(job).kind for job in jobs] == ["stopped"] * 4
    wait_until(lambda: not {"PENDING", "RUNNING"} & set(cluster_tasks(cluster).values()))
    assert cluster.jobs()[wait] == "RUNNING", "another job was cancelled"
    executor.detach()


def cluster_tasks(cluster) -> dict[str, str]:
    lines = cluster.run("squeue", "--array", "-h", "-t", "all", "-o", "%i|%T").splitlines()
    return {name: state for name, state in (line.split("|") for line in lines) if "_" in name}


def test_a_worker_knows_its_id_as_the_queue_shows_it(monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "19")
    assert _own_id() == "19"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert _own_id() == "17_2"

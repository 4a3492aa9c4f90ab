"""What was deleted on this computer is deleted on other machines, at once or when they can be reached again."""

from __future__ import annotations

import shutil

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.events import StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine
from SemiSupervisedSegLib.jobs.remote.deletion import LeftThere, delete_there, left_by, remember
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.remote.record import read_record
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest
from SemiSupervisedSegLib.study.errors import UserError

from .private_study import new_private_round
from .slurm_server import wait_until

MANY = 20_000
SECONDS = 280.0


def delete_here(job: JobFolder) -> LeftThere:
    (left,) = [item for item in left_by(job.path) if item is not None]
    remember([left])
    shutil.rmtree(job.path)
    return left


def is_training(job: JobFolder) -> bool:
    return any(isinstance(event, StepDone) for event in job.events()[0])


def test_a_training_that_was_left_there_is_stopped_and_removed(far, study):
    job = new_private_round(study, steps=MANY)
    SshExecutor(far.machine).send(job)
    (there,) = map(JobFolder, far.folder.glob("jobs/*/rounds/*"))
    wait_until(lambda: is_training(there), SECONDS)
    left = delete_here(job)
    assert (left.machine, left.job) == ("box", job.name)
    assert delete_there(far.machine) == "What was deleted here is deleted on box as well."
    assert far.jobs() == []
    wait_until(lambda: not far.processes())
    assert delete_there(far.machine) == ""


def test_a_machine_that_is_away_is_said_and_the_next_test_of_it_deletes(far, study, capsys):
    add_machine(far.machine)
    job = new_private_round(study, device="cuda:99")
    SshExecutor(far.machine).send(job)
    delete_here(job)
    far.wire.refuse = 1
    with pytest.raises(UserError, match="box cannot be reached") as caught:
        delete_there(far.machine)
    assert caught.value.advice.endswith("What lies there is deleted with the next test of the connection to box.")
    assert len(far.jobs()) == 1
    assert command(["machine", "test", "box"]) == 0
    assert "Deleted rounds: What was deleted here is deleted on box as well." in capsys.readouterr().out
    assert far.jobs() == []
    assert command(["machine", "test", "box"]) == 0
    assert "Deleted rounds" not in capsys.readouterr().out


def test_images_stay_with_the_other_jobs_that_share_them(far, study):
    jobs = [new_private_round(study, device="cuda:99") for _ in range(2)]
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit_together(jobs)
    wait_until(lambda: all(executor.state(job) == "failed" for job in jobs), SECONDS)
    executor.detach()
    delete_here(jobs[0])
    delete_there(far.machine)
    (there,) = far.jobs()
    assert [path.name for path in there.glob("rounds/*")] == [jobs[1].name]
    assert list(there.glob("images/*"))
    delete_here(jobs[1])
    delete_there(far.machine)
    assert far.jobs() == []


def test_only_jobs_can_be_removed(far):
    (far.folder / "jobs" / "other").mkdir(parents=True)
    remember([LeftThere("box", "..", "venv"), LeftThere("box", "0123456789ab", "../../other")])
    delete_there(far.machine)
    assert (far.folder / "jobs" / "other").exists()
    assert (far.folder / "venv").exists()


def test_a_round_of_this_computer_leaves_nothing_elsewhere(study):
    job = new_private_round(study)
    assert [item for item in left_by(job.path) if item is not None] == []


@pytest.mark.slow
def test_jobs_that_run_and_wait_on_a_cluster_are_cancelled_and_removed(cluster, study, tmp_path):
    machine = Machine("cluster", "", str(tmp_path / "there"), SlurmRequest(10))
    jobs = [new_private_round(study, steps=MANY) for _ in range(3)]
    executor = SshExecutor(machine, pauses=(0.05,))
    executor.submit_together(jobs)
    wait_until(lambda: any(map(is_training, jobs)), SECONDS)
    executor.detach()
    other = cluster.run("sbatch", "--parsable", "--chdir", str(cluster.home), "--wrap", "sleep 1000").strip()
    assert {read_record(job).machine for job in jobs} == {"cluster"}
    for job in jobs:
        delete_here(job)
    delete_there(machine)
    assert list((tmp_path / "there" / "jobs").iterdir()) == []
    going_on = [job for job, state in cluster.jobs().items() if state in ("PENDING", "RUNNING")]
    assert going_on == [other], "one goes on, or another job was cancelled"

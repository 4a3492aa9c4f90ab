"""A job over a real sshd that soon ends there, with connections that are cut; whole trainings are in test_rounds."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.events import Failed
from SemiSupervisedSegLib.jobs.executor import ENDED
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.remote.record import keep_record, machine_of, new_record
from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.study.errors import UserError

from .private_study import leaks, new_private_round
from .ssh_server import without_torch

SECONDS = 120.0


def wait_for_notice(executor: SshExecutor) -> None:
    end = time.monotonic() + SECONDS
    while not executor.notices():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def wait_for_end(executor: SshExecutor, job: JobFolder) -> list[str]:
    end, notices = time.monotonic() + SECONDS, []
    while executor.state(job) not in ENDED:
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
        notices += executor.notices()
    return notices


def test_a_failure_there_is_told_as_one_here_although_sending_was_cut(far, study):
    job = new_private_round(study, device="cuda:99")
    far.wire.budget["up"] = 30_000
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    notices = wait_for_end(executor, job)
    assert far.wire.cuts == 1
    assert any("Trying again in" in notice for notice in notices)
    outcome = executor.outcome(job)
    assert outcome.kind == "failed"
    assert "CUDA" in outcome.message + outcome.advice
    assert job.status().state == "failed"
    assert job.log.exists()
    assert not job.is_running()
    (there,) = far.jobs()
    assert leaks(there, study) == []
    assert oct(there.stat().st_mode)[-2:] == "00"
    executor.detach()


def test_a_job_that_nothing_was_sent_of_is_stopped_at_once(far, study):
    jobs = [new_private_round(study), new_private_round(study)]
    far.wire.refuse = 1000
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(jobs[0])
    executor.submit(jobs[1])
    executor.cancel()
    far.wire.refuse = 0
    for job in jobs:
        wait_for_end(executor, job)
        assert executor.outcome(job).kind == "stopped"
    executor.detach()
    assert [path for path in far.jobs() if not path.name.endswith(".part")] == []


def test_a_stop_that_another_program_requests_in_the_folder_is_passed_on(far, study):
    job = new_private_round(study)
    far.wire.refuse = 1000
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    wait_for_notice(executor)
    job.request_cancel()
    wait_for_end(executor, job)
    assert executor.outcome(job).message == "It was not started."
    assert job.status().state == "cancelled"
    executor.detach()


def test_leaving_while_the_machine_is_away_does_not_wait(far, study):
    job = new_private_round(study)
    far.wire.refuse = 1000
    executor = SshExecutor(far.machine, pauses=(1000.0,))
    executor.submit(job)
    wait_for_notice(executor)
    executor.detach()
    assert not job.is_running()


def test_a_round_is_made_only_where_the_machine_answers(far, study, capsys):
    add_machine(far.machine)
    far.wire.refuse = 1000
    assert command(["train", str(study.folder), "--method", "supervised", "--on", "box"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert rounds(study.folder) == []
    assert command(["train", str(study.folder), "--method", "supervised", "--on", "other"]) == 2
    assert "Known are: box." in capsys.readouterr().err


def test_a_round_elsewhere_is_neither_resumed_here_nor_on_a_third_machine(far, study, capsys):
    job = new_private_round(study)
    far.wire.refuse = 1000
    executor = SshExecutor(far.machine, pauses=(1000.0,))
    executor.submit(job)
    while not executor.notices():
        time.sleep(0.02)
    executor.detach()
    assert machine_of(job) == "box"
    for arguments in (["train", str(study.folder), "--resume", job.name], ["worker", "--job", str(job.path)]):
        assert command(arguments) == 2
        assert f"--resume {job.name} --on box" in capsys.readouterr().err
    third = SshExecutor(Machine("third", "far", str(far.folder)), pauses=(0.05,))
    third.submit(job)
    wait_for_end(third, job)
    assert third.outcome(job).message == f"The round {job.name} runs on box."
    third.detach()


def test_a_record_that_was_copied_to_another_round_is_refused(far, study):
    job, other = new_private_round(study), new_private_round(study, device="auto")
    far.wire.refuse = 1000
    executor = SshExecutor(far.machine, pauses=(1000.0,))
    executor.submit(job)
    while not executor.notices():
        time.sleep(0.02)
    executor.detach()
    (other.path / "remote.json").write_bytes((job.path / "remote.json").read_bytes())
    with pytest.raises(UserError, match="another job"):
        machine_of(other)


def test_a_full_disk_there_is_said(far, study):
    python = far.folder / "venv" / "bin" / "python"
    python.write_text(python.read_text().replace("#!/bin/sh\n", "#!/bin/sh\nulimit -f 4\n"))
    job = new_private_round(study)
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    wait_for_end(executor, job)
    executor.detach()
    outcome = executor.outcome(job)
    assert (outcome.kind, outcome.message) == ("failed", "On box: The disk is full.")
    assert outcome.advice == "Free some space there."


def test_another_program_there_starts_nothing(far, study, monkeypatch):
    monkeypatch.setattr("SemiSupervisedSegLib.jobs.remote.remote_run.package_digest", lambda: "another")
    job = new_private_round(study)
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    wait_for_end(executor, job)
    executor.detach()
    assert "another state of version" in executor.outcome(job).message
    assert not list(far.folder.glob("jobs/*/rounds/*/worker.lock"))


def test_the_second_interrupt_leaves_and_says_how_to_follow_again(far, study):
    add_machine(far.machine)
    job = new_private_round(study)
    far.wire.refuse = 1000
    # A test that runs in the background inherits that interrupts are ignored.
    code = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "runpy.run_module('SemiSupervisedSegLib', run_name='__main__', alter_sys=True)"
    words = [sys.executable, "-c", code, "train", str(study.folder), "--resume", job.name]
    keep_record(job, new_record(job, "box"), is_sent=True)
    process = subprocess.Popen([*words, "--on", "box"], stdout=subprocess.PIPE, text=True)
    said = ""
    for wanted in ("Trying again", "Stopping:"):
        while wanted not in (line := process.stdout.readline()):
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert f"--resume {job.name} --on box" in said
    assert not job.is_running()


def test_missing_pytorch_there_starts_nothing(far, study):
    without_torch(far)
    job = new_private_round(study)
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    wait_for_end(executor, job)
    executor.detach()
    assert executor.outcome(job).message == "torch is not installed on box."
    assert "machine setup" in executor.outcome(job).advice
    assert far.jobs() == []


def test_a_round_whose_results_another_computer_has_fetched_is_said(far, study):
    job = new_private_round(study)
    keep_record(job, new_record(job, "box"), is_sent=True)
    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    wait_for_end(executor, job)
    executor.detach()
    outcome = executor.outcome(job)
    assert (outcome.kind, outcome.message) == ("failed", "On box: The round is not there any more.")
    assert outcome.advice == "Its results may have been fetched to another computer."
    assert far.jobs() == []


def test_two_computers_at_one_round_start_one_worker(far, study, tmp_path):
    job = new_private_round(study, device="cuda:99")
    SshExecutor(far.machine).send(job)
    (there,) = far.folder.glob("jobs/*/rounds/*")
    copies = []
    for name in ("a", "b"):
        # As another computer has it, with a copy of the study.
        shutil.copytree(study.folder, tmp_path / name)
        copies.append(JobFolder(tmp_path / name / "rounds" / job.name))
    executors = [SshExecutor(far.machine, pauses=(0.05,)) for _ in copies]
    for executor, copy in zip(executors, copies, strict=True):
        executor.submit(copy)
    for executor, copy in zip(executors, copies, strict=True):
        wait_for_end(executor, copy)
        executor.detach()
        assert "CUDA" in str(executor.outcome(copy).message + executor.outcome(copy).advice)
    assert sum(isinstance(event, Failed) for event in JobFolder(there).events()[0]) == 1

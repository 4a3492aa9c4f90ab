"""Whole trainings over a real sshd: the results of a training here, whatever the connection does, and no name there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from SemiSupervisedSegLib.__main__ import EXIT_INTERRUPTED
from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.events import Event, PreviewReady, StageStarted, Started, StepDone
from SemiSupervisedSegLib.jobs.machines import add_machine
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.rounds import rounds

from .private_study import leaks, new_private_round
from .whole_rounds import MANY_STEPS, SECONDS, assert_same, assert_same_model, follow, train_arguments

pytestmark = pytest.mark.slow


def test_a_detached_round_has_no_names_there_and_comes_back_whole(far, study, here, capsys):
    add_machine(far.machine)
    assert command([*train_arguments(study), "--on", "box", "--detach"]) == 0
    assert "--resume 001-mean_teacher --on box" in capsys.readouterr().out
    (there,) = far.jobs()
    assert leaks(there, study) == []
    end = time.monotonic() + SECONDS
    while not list(there.glob("rounds/*/result.json")):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)
    assert leaks(there, study) == []
    (folder,) = rounds(study.folder)
    assert folder.result() is None
    assert command(["train", str(study.folder), "--resume", "1", "--on", "box"]) == 0
    assert "Done. Segmentations" in capsys.readouterr().out
    assert_same(folder, here)
    assert folder.status().state == "finished"
    assert far.jobs() == []


def test_cut_connections_while_sending_running_and_fetching_change_nothing(far, study, here):
    job = new_private_round(study)
    far.wire.budget["up"] = 20_000
    seen: set[str] = set()

    def react(event: Event) -> None:
        if isinstance(event, PreviewReady):
            assert all((job.path / name).exists() for name in event.files.values())
        if isinstance(event, StepDone) and "step" not in seen:
            seen.add("step")
            far.wire.refuse = 2
            far.wire.cut()
        if isinstance(event, StageStarted) and event.name == "fetch" and "fetch" not in seen:
            seen.add("fetch")
            far.wire.budget["down"] = 100_000

    executor = SshExecutor(far.machine, pauses=(0.05, 0.1))
    executor.submit(job)
    notices = follow(executor, job, react)
    assert seen == {"step", "fetch"}
    assert far.wire.cuts >= 3
    assert sum("Trying again in" in notice for notice in notices) >= 5
    assert executor.outcome(job).kind == "finished"
    assert_same(job, here)


def test_a_round_that_was_stopped_there_is_resumed_there(far, study, capsys):
    add_machine(far.machine)
    arguments = [*train_arguments(study), "--steps", str(MANY_STEPS), "--set", "preview_interval=0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "SemiSupervisedSegLib", *arguments, "--on", "box"], stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + SECONDS
    while not any(isinstance(event, StepDone) for folder in rounds(study.folder) for event in folder.events()[0]):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)
    (folder,) = rounds(study.folder)
    assert process.returncode == EXIT_INTERRUPTED
    assert "Stopping: a checkpoint is saved on box" in said
    assert "where it can be resumed" in said
    assert f"--resume {folder.name} --on box" in said
    assert folder.status().state == "cancelled"
    assert command(["train", str(study.folder), "--resume", folder.name, "--on", "box"]) == 0
    resumed = [event.resumed_from for event in folder.events()[0] if isinstance(event, Started)]
    assert resumed[0] is None
    assert 0 < resumed[1] < MANY_STEPS
    assert command(arguments) == 0
    assert_same_model(folder, rounds(study.folder)[1])


def test_a_worker_that_was_killed_there_is_a_failure_and_can_be_resumed(far, study, here):
    job = new_private_round(study)
    pids = []

    def react(event: Event) -> None:
        if isinstance(event, Started):
            pids.append(event.pid)
        if isinstance(event, StageStarted) and event.name == "load":
            os.kill(pids[-1], signal.SIGKILL)

    executor = SshExecutor(far.machine, pauses=(0.05,))
    executor.submit(job)
    follow(executor, job, react)
    assert executor.outcome(job).kind == "failed"
    assert "ended before its work was done" in executor.outcome(job).message
    again = SshExecutor(far.machine, pauses=(0.05,))
    again.submit(job)
    follow(again, job, lambda event: None)
    assert again.outcome(job).kind == "finished"
    assert_same_model(job, here)


def test_a_warm_start_travels_without_the_name_of_its_study(far, study, here):
    first = new_private_round(study)
    for name in ("model", "result.json", "plan.json"):
        source = here.path / name
        subprocess.run(["cp", "-r", str(source), str(first.path)], check=True)
    add_machine(far.machine)
    arguments = [*train_arguments(study), "--warm-start", first.name]
    assert command([*arguments, "--on", "box", "--detach"]) == 0
    (there,) = far.jobs()
    assert leaks(there, study) == []
    assert command(["train", str(study.folder), "--resume", "2", "--on", "box"]) == 0
    assert command(arguments) == 0
    own, other = rounds(study.folder)[2], rounds(study.folder)[1]
    assert_same_model(other, own)
    assert json.loads((other.path / "model/configs/metadata.json").read_text(encoding="utf-8")) == json.loads(
        (own.path / "model/configs/metadata.json").read_text(encoding="utf-8")
    )


def test_a_round_that_was_trained_there_is_continued_here_and_there(far, study, here):
    add_machine(far.machine)
    assert command([*train_arguments(study), "--on", "box"]) == 0
    first = rounds(study.folder)[0]
    continued = ["train", str(study.folder), "--continue", first.name, "--steps", "8"]
    assert command(continued) == 0
    assert command([*continued, "--on", "box", "--detach"]) == 0
    (there,) = far.jobs()
    assert leaks(there, study) == []
    assert command(["train", str(study.folder), "--resume", "3", "--on", "box"]) == 0
    _, own, other = rounds(study.folder)
    assert all(next(event.step for event in job.events()[0] if isinstance(event, StepDone)) > 4 for job in (own, other))
    assert_same_model(other, own)
    study_here = here.path.parents[1]
    assert command(["train", str(study_here), "--continue", here.name, "--steps", "8"]) == 0
    assert_same_model(own, rounds(study_here)[-1])

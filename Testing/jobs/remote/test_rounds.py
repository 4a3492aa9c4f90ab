"""Whole trainings over a real sshd: the results of a training here, whatever the connection does, and no name there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import EXIT_INTERRUPTED
from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.events import Event, PreviewReady, StageStarted, Started, StepDone
from SemiSupervisedSegLib.jobs.executor import ENDED
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.machines import add_machine
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.study.model import Study

from .private_study import SETTINGS, leaks, new_private_round, private_study

pytestmark = pytest.mark.slow

SECONDS = 250.0
MANY_STEPS = 60
# What differs between two runs of one training here as well: when it was, and how long it took.
TIMES = re.compile(rb'"cpu_seconds": [\d.]+|\d+ (?:s|min)\b|00\d-mean_teacher')


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A round of this computer."""
    folder = new_private_round(private_study(tmp_path_factory.mktemp("here") / "study"))
    assert launch(folder).wait() == 0
    return folder


@pytest.fixture
def study(here: JobFolder, tmp_path: Path) -> Study:
    """The same study somewhere else, without rounds."""
    return private_study(tmp_path / "study")


def results(folder: JobFolder) -> dict[str, bytes]:
    """Return the content of all results of a round, without times."""
    names = ("model", "predictions", "previews", "report.html", "metrics.csv", "plan.json", "result.json")
    places = [folder.path / name for name in names]
    files = [path for place in places for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file()]
    contents = {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in files}
    texts = (".html", ".json")
    return {name: TIMES.sub(b"", data) if name.endswith(texts) else data for name, data in contents.items()}


def assert_same(folder: JobFolder, here: JobFolder) -> None:
    there, own = results(folder), results(here)
    # Of a preview the files travel that its event names; the maps beside them nobody reads.
    shown = {name for event in here.events()[0] if isinstance(event, PreviewReady) for name in event.files.values()}
    own = {name: own[name] for name in own if not name.startswith("previews/") or name in shown}
    assert shown
    assert sorted(there) == sorted(own)
    assert [name for name in own if there[name] != own[name]] == []
    assert "model/models/model.pt" in own
    losses = [[event.losses for event in job.events()[0] if isinstance(event, StepDone)] for job in (folder, here)]
    assert losses[0] == losses[1]
    assert not (folder.path / "remote.json").exists()
    assert not list(folder.path.rglob(".tmp-*"))


def follow(executor: SshExecutor, job: JobFolder, react: Callable[[Event], None]) -> list[str]:
    """Follow a job to its end and return the notices."""
    end, notices = time.monotonic() + SECONDS, []
    state = executor.state(job)
    while state not in ENDED:
        assert time.monotonic() < end, "not in time"
        state = executor.state(job)
        for event in executor.events(job):
            react(event)
        notices += executor.notices()
        time.sleep(0.02)
    executor.detach()
    return notices


def train_arguments(study: Study) -> list[str]:
    settings = [f"{key}={value}" for key, value in SETTINGS.items() if key != "external_batch"]
    options = [word for setting in settings for word in ("--set", setting)]
    return ["train", str(study.folder), "--method", "mean_teacher", "--preset", "quick", "--device", "cpu", *options]


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


def assert_same_model(folder: JobFolder, here: JobFolder) -> None:
    names = [name for name in results(here) if name.startswith(("model/models", "predictions", "metrics"))]
    assert names
    assert [name for name in names if results(folder).get(name) != results(here)[name]] == []


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

"""Whole trainings on another machine, their results, and what they are compared with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from SemiSupervisedSegLib.jobs.events import Event, PreviewReady, StepDone
from SemiSupervisedSegLib.jobs.executor import ENDED
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.study.model import Study

from .private_study import SETTINGS

SECONDS = 250.0
MANY_STEPS = 60
# What differs between two runs of one training here as well: when it was, and how long it took.
TIMES = re.compile(rb'"cpu_seconds": [\d.]+|\d+ (?:s|min)\b|00\d-mean_teacher')


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


def assert_same_model(folder: JobFolder, here: JobFolder) -> None:
    names = [name for name in results(here) if name.startswith(("model/models", "predictions", "metrics"))]
    assert names
    assert [name for name in names if results(folder).get(name) != results(here)[name]] == []

"""Rounds on tiny synthetic studies, done by the worker in this process, and what they leave behind."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from SemiSupervisedSegLib.engine.worker.worker import main
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.events import Event, Failed
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Study

EXIT_FINISHED, EXIT_FAILED, EXIT_CANCELLED = 0, 2, 3
SETTINGS = {
    "steps": 2,
    "labeled_batch": 1,
    "unlabeled_batch": 1,
    "external_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 1,
    "preview_interval": 0,
    "threads": 1,
}
# What a worker writes however it ends.
_RECORDS = ("events.jsonl", "status.json", "worker.lock", "worker.log")


def tiny_study(folder: Path, **changes: object) -> Study:
    """Make a study of a labeled, a validation and an unlabeled case of four slices."""
    values = {"labeled": 1, "unlabeled": 1, "external": 0, "validation": 1, "size": (32, 32, 4)}
    return generate_study(folder, **{**values, **changes})


def new_round(
    study: Study,
    method: str = "supervised",
    settings: Mapping[str, object] | None = None,
    device: str = "cpu",
    warm_start: Path | None = None,
) -> JobFolder:
    """Make a new round of two steps if the settings do not say otherwise."""
    known = {setting.name for setting in load_catalogue().method(method).settings}
    values = {name: value for name, value in {**SETTINGS, **(settings or {})}.items() if name in known}
    folder = next_round(study.folder, method)
    folder.write_spec(make_training_spec(study, method, "quick", values, device=device, warm_start=warm_start))
    return folder


def run_until(folder: JobFolder, happened: Callable[[Event], bool]) -> int:
    """Work at a round, ask the worker to stop once it has said something, and return its exit code."""

    def watch() -> None:
        while not any(map(happened, folder.events()[0])):
            time.sleep(0.01)
        folder.request_cancel()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    code = main(folder.path)
    watcher.join()
    folder.clear_cancel()
    return code


def copy_of(folder: JobFolder) -> JobFolder:
    """Copy a round into the same study, as another one of the same job."""
    copy = next_round(folder.path.parents[1], folder.name.split("-", 1)[1])
    shutil.copytree(folder.path, copy.path, dirs_exist_ok=True)
    return copy


def assert_fails_with(folder: JobFolder, *words: str) -> Failed:
    """Do a round in this process and return its failure.

    Asserts that the exit code, the event, the status and the words say it, that it is a sentence with an advice, and
    that no file but the records of the job changed.
    """
    before, code, after = contents(folder), main(folder.path), contents(folder)
    failure = folder.events()[0][-1]
    assert code == EXIT_FAILED
    assert isinstance(failure, Failed)
    for word in words:
        assert word in f"{failure.message} {failure.advice}"
    assert failure.message.endswith(".")
    assert failure.advice.endswith(".")
    assert "\n" not in failure.message + failure.advice
    assert folder.status().state == "failed"
    assert folder.status().message == f"{failure.message} {failure.advice}"
    assert {name: after.get(name) for name in before} == before, "something was lost"
    assert not half_written(folder.path.parents[1])
    assert folder.result() is None or "result.json" in before
    return failure


def contents(folder: JobFolder) -> dict[str, str]:
    """Return a hash of each file of a round, but of those that a worker writes however it ends."""
    files = [path for path in folder.path.rglob("*") if path.is_file() and path.name not in _RECORDS]
    return {str(path.relative_to(folder.path)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def half_written(place: Path) -> list[Path]:
    """Return what was begun and not completed."""
    return list(place.rglob(".tmp-*"))

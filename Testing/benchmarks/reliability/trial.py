"""One job on a small synthetic study: done once without interruption, and then in other rounds that are disturbed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Event, Finished, Progress, StageStarted, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.files import TEMPORARY_PREFIX

from .identical import CHECKPOINT, differences, load

if TYPE_CHECKING:
    from .children import ForkedWorker

SETTINGS = {
    "steps": 20,
    "labeled_batch": 1,
    "unlabeled_batch": 1,
    "external_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 3,
    "validation_interval": 10,
    "preview_interval": 0,
    "threads": 1,
}
"""Of the job; every third step writes a checkpoint, so that kills find many of them half-written."""
STAGES = ("inspect", "preprocess", "load", "build", "train", "model", "predict", "evaluate", "end")
_POLL_SECONDS = 0.002
Start = Callable[[JobFolder], "WorkerProcess | ForkedWorker"]


@dataclass(frozen=True, order=True)
class Place:
    """How far a job is: the number of its stage, and steps or cases within it."""

    stage: int
    done: int

    def __str__(self) -> str:
        return f"{STAGES[self.stage]} {self.done}"


@dataclass(frozen=True)
class Kill:
    """What a kill found.

    Attributes:
        place: the last one that the worker had reported.
        half_written: what it left incomplete, as names of files and folders.
        step: of the checkpoint from which the round continues; None when there is none yet.
    """

    place: Place
    half_written: tuple[str, ...]
    step: int | None


class Trial:
    """A job, and its uninterrupted run to compare with.

    Attributes:
        study: of all rounds.
        spec: of all rounds.
        reference: the round that was never interrupted.
    """

    def __init__(
        self,
        folder: Path,
        method: str,
        seed: int = 0,
        start: Start = launch,
        settings: dict[str, object] | None = None,
    ) -> None:
        counts = {"labeled": 2, "unlabeled": 1, "external": 1, "validation": 1}
        self.study = generate_study(folder, sites=2, size=(32, 32, 4), **counts)
        self._start = start
        known = {setting.name for setting in load_catalogue().method(method).settings}
        values = {name: value for name, value in (SETTINGS | (settings or {})).items() if name in known}
        self.spec = make_training_spec(self.study, method, "quick", values, device="cpu", seed=seed)
        self.reference = self.new_round()
        self.run_to_end(self.reference)
        self._timeline = _timeline(self.reference)

    @property
    def seconds(self) -> float:
        """How long the uninterrupted run took from its first place to its end."""
        return self._timeline[-1][0]

    def span(self, stage: str) -> tuple[float, float]:
        """When a stage of the uninterrupted run began and ended, in seconds after its first place."""
        number = STAGES.index(stage)
        begin = min(moment for moment, place in self._timeline if place.stage == number)
        return begin, min((moment for moment, place in self._timeline if place.stage > number), default=self.seconds)

    def new_round(self) -> JobFolder:
        """Make a new round, and remove the preprocessed images."""
        shutil.rmtree(self.study.folder / "cache", ignore_errors=True)
        folder = next_round(self.study.folder, self.spec.method)
        folder.write_spec(self.spec)
        return folder

    def run_to_end(self, folder: JobFolder) -> None:
        """Start or resume the worker of a round; raises RuntimeError when it does not finish."""
        code = self._start(folder).wait(600)
        if code != 0 or folder.status().state != "finished":
            raise RuntimeError(f"exit code {code}, {folder.status()}, {folder.log.read_text(encoding='utf-8')}")

    def kill(self, folder: JobFolder, instant: float) -> Kill | None:
        """Start or resume the worker of a round and kill it where the uninterrupted run was at an instant.

        None when it ended before.
        """
        since, place = max(entry for entry in self._timeline if entry[0] <= instant)
        before, worker = half_written(self.study.folder), self._start(folder)
        if not _reach(worker, place):
            return None
        time.sleep(instant - since)
        return self._end(folder, worker, before)

    def kill_while_writing(self, folder: JobFolder, place: Place, pattern: str, delay: float) -> Kill | None:
        """Kill the worker some seconds after it has begun to write what matches a pattern, once it is at a place.

        The pattern is of temporary files or folders, relative to the study. None when the worker ended before.
        """
        before, worker = half_written(self.study.folder), self._start(folder)
        if not _reach(worker, place):
            return None
        while not any(path not in before for path in self.study.folder.glob(pattern)):
            if worker.poll() is not None:
                return None
            time.sleep(_POLL_SECONDS / 4)
        time.sleep(delay)
        return self._end(folder, worker, before)

    def _end(self, folder: JobFolder, worker: WorkerProcess | ForkedWorker, before: Mapping[Path, str]) -> Kill | None:
        if worker.poll() is not None:
            return None
        worker.kill_tree()
        places = [now for _, now in _places(worker.all_events())]
        step = load(folder, CHECKPOINT)["step"] if (folder.path / CHECKPOINT).exists() else None
        new = {name for path, name in half_written(self.study.folder).items() if path not in before}
        return Kill(places[-1], tuple(sorted(new)), step)

    def is_identical(self, folder: JobFolder) -> bool:
        """Whether a finished round has, bit for bit, the results of the uninterrupted run."""
        return not differences(folder, self.reference)


def half_written(study: Path) -> dict[Path, str]:
    """Return what in a study was begun and not completed, and what it is, such as model, predictions or last.pt."""
    found = {}
    for path in study.rglob(f"{TEMPORARY_PREFIX}*"):
        if "cache" in path.relative_to(study).parts:
            found[path] = "cache"
        elif path.is_dir():
            found[path] = path.parent.name if path.parent.name in ("predictions", "previews") else "model"
        elif not path.parent.parent.name.startswith(TEMPORARY_PREFIX):
            # Temporary files keep the name of what they become behind two parts of their own.
            found[path] = path.name.split("-", 3)[-1]
    return found


def _reach(worker: WorkerProcess | ForkedWorker, place: Place) -> bool:
    # A machine that is busier today is slower: the clock is that of the places, and only between two real time.
    reached: list[Place] = []
    while worker.poll() is None and not (reached and reached[-1] >= place):
        # All of them, as an earlier event names the stage of a step.
        reached = [now for _, now in _places(worker.all_events())]
        time.sleep(_POLL_SECONDS)
    return worker.poll() is None


def _places(events: Iterable[Event]) -> list[tuple[float, Place]]:
    """Return when (seconds since the epoch) a worker was where."""
    places, stage = [], 0
    for event in events:
        match event:
            case StageStarted():
                stage = STAGES.index(event.name)
                places.append((event.time, Place(stage, 0)))
            case Progress():
                places.append((event.time, Place(stage, event.done)))
            case StepDone() | CheckpointSaved():
                places.append((event.time, Place(stage, event.step)))
            case Finished():
                places.append((event.time, Place(len(STAGES) - 1, 0)))
    return places


def _timeline(folder: JobFolder) -> list[tuple[float, Place]]:
    places = _places(folder.events()[0])
    return [(moment - places[0][0], place) for moment, place in places]

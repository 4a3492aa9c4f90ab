"""Kill the worker at random instants, resume it, and compare the model with that of an uninterrupted run.

    python -m Testing.benchmarks.reliability.kill_and_resume --kills 20 --method cu2l

A small made-up study is trained once without interruption. Then, for every kill, a fresh round of the same job is
killed (SIGKILL) at an instant drawn at random over the whole length of that run, and resumed to its end; its images
are prepared again each time. The table says where in the job the kill came, what it left half-written, the step of the
checkpoint from which the round went on, and whether the final model, its prototypes and the final checkpoint are
bit-identical to those of the uninterrupted run. The exit code is 1 if they are not.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Event, Progress, StageStarted, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.jobs.training_spec import make_training_spec
from SemiSupervisedSegLib.phantom.generate import generate_study

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
CHECKPOINT = "checkpoints/last.pt"
_MODEL_FILES = (CHECKPOINT, "model/models/model.pt", "model/models/prototypes.pt")
_STAGES = ("inspect", "preprocess", "train", "model", "predict", "evaluate")
_POLL_SECONDS = 0.005


@dataclass(frozen=True, order=True)
class Place:
    """How far a job is: the number of its stage, and steps or cases within it."""

    stage: int
    done: int

    def __str__(self) -> str:
        return f"{_STAGES[self.stage]} {self.done}"


@dataclass(frozen=True)
class Kill:
    """What a kill found.

    Attributes:
        instant: seconds after the start, on the clock of the uninterrupted run.
        place: the last one that the worker had reported.
        half_written: the folders in which something was not complete.
        step: of the checkpoint from which the round goes on; None when there is none yet.
    """

    instant: float
    place: Place
    half_written: tuple[str, ...]
    step: int | None


class Trial:
    """One job on a small made-up study: done once without interruption, and then in other rounds with kills."""

    def __init__(self, folder: Path, method: str, seed: int = 0) -> None:
        counts = {"labeled": 2, "unlabeled": 1, "external": 1, "validation": 1}
        self.study = generate_study(folder, sites=2, size=(32, 32, 4), **counts)
        known = {setting.name for setting in load_catalogue().method(method).settings}
        settings = {name: value for name, value in SETTINGS.items() if name in known}
        self.spec = make_training_spec(self.study, method, "quick", settings, device="cpu", seed=seed)
        self.reference = self.new_round()
        run_to_end(self.reference)
        self._timeline = _timeline(self.reference)

    @property
    def seconds(self) -> float:
        """How long the uninterrupted run took from its first to its last place."""
        return self._timeline[-1][0]

    def new_round(self) -> JobFolder:
        """Make a round that nobody has worked at, and forget the prepared images."""
        shutil.rmtree(self.study.folder / "cache", ignore_errors=True)
        folder = next_round(self.study.folder, self.spec.method)
        folder.write_spec(self.spec)
        return folder

    def kill(self, folder: JobFolder, instant: float) -> Kill:
        """Start or resume the worker of a round and kill it where the uninterrupted run was at an instant."""
        since, place = max(entry for entry in self._timeline if entry[0] <= instant)
        worker = launch(folder)
        reached: list[Place] = []
        # A machine that is busier today is slower: the clock is that of the places, and only between two real time.
        while worker.poll() is None and not (reached and reached[-1] >= place):
            reached += [now for _, now in _places(worker.new_events())]
            time.sleep(_POLL_SECONDS)
        time.sleep(instant - since)
        worker.kill_tree()
        last = [now for _, now in _places(worker.all_events())][-1]
        return Kill(instant, last, _half_written(folder, self.study.folder / "cache"), _saved_step(folder))

    def is_identical(self, folder: JobFolder) -> bool:
        """Whether a finished round has, bit for bit, the tensors of the uninterrupted run."""
        return all(same_content(_load(folder, name), _load(self.reference, name)) for name in _MODEL_FILES)


def run_to_end(folder: JobFolder) -> None:
    """Start or resume the worker of a round; raises RuntimeError when it does not finish."""
    code = launch(folder).wait()
    if code != 0 or folder.status().state != "finished":
        raise RuntimeError(f"exit code {code}, {folder.status()}, {folder.log.read_text(encoding='utf-8')}")


def _places(events: Iterable[Event]) -> list[tuple[float, Place]]:
    """Return when (seconds since the epoch) a worker was where."""
    places, stage = [], 0
    for event in events:
        match event:
            case StageStarted():
                stage = _STAGES.index(event.name)
                places.append((event.time, Place(stage, 0)))
            case Progress():
                places.append((event.time, Place(stage, event.done)))
            case StepDone() | CheckpointSaved():
                places.append((event.time, Place(stage, event.step)))
    return places


def _timeline(folder: JobFolder) -> list[tuple[float, Place]]:
    places = _places(folder.events()[0])
    return [(moment - places[0][0], place) for moment, place in places]


def _half_written(folder: JobFolder, cache: Path) -> tuple[str, ...]:
    found = [path for place in (folder.path, cache) for path in place.rglob(".tmp-*")]
    found = [path for path in found if not path.parent.name.startswith(".tmp-")]
    return tuple(sorted({"cache" if path.is_relative_to(cache) else path.parent.name for path in found}))


def _saved_step(folder: JobFolder) -> int | None:
    return _load(folder, CHECKPOINT)["step"] if (folder.path / CHECKPOINT).exists() else None


def _load(folder: JobFolder, name: str) -> Any:
    return torch.load(folder.path / name, map_location="cpu", weights_only=True)


def same_content(ours: Any, theirs: Any) -> bool:
    """Whether two trees of tensors and plain values are the same bit by bit."""
    if isinstance(ours, torch.Tensor):
        return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same_content(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same_content, ours, theirs))
    return ours == theirs


def main() -> int:
    """Run the trial and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--method", default="cu2l", choices=list(load_catalogue().methods))
    parser.add_argument("--seed", type=int, default=0, help="decides the instants")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        trial = Trial(Path(temporary) / "study", options.method)
        print(f"{options.method}, {SETTINGS['steps']} steps; the uninterrupted run took {trial.seconds:.1f} s")
        print(f"{'kill':>4}  {'instant':>8}  {'after':<13}  {'half-written':<12}  {'resumed at':>10}  identical")
        instants = random.Random(options.seed)
        different = 0
        for number in range(1, options.kills + 1):
            folder = trial.new_round()
            kill = trial.kill(folder, instants.uniform(0, trial.seconds))
            run_to_end(folder)
            identical = trial.is_identical(folder)
            different += not identical
            step = "beginning" if kill.step is None else f"step {kill.step}"
            print(
                f"{number:4}  {kill.instant:6.2f} s  {kill.place!s:<13}  {', '.join(kill.half_written) or '-':<12}  "
                f"{step:>10}  {'yes' if identical else 'NO'}",
                flush=True,
            )
            shutil.rmtree(folder.path)
    print(f"{options.kills - different} of {options.kills} identical")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

"""A prediction of many images in shards: jobs for parts of them, whose results come together in one folder."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..study.errors import UserError, all_failures
from ..study.files import check_stays_inside, write_error
from .events import Cancelled, Event, Finished, Progress, StageStarted, WarningRaised
from .executor import ENDED, Executor
from .folder import JobFolder
from .outcome import Outcome
from .remote.record import is_elsewhere, machine_of
from .results import is_predicted, read_summary
from .spec import JobCase

_STAGE = "predict"
_MOST_ATTEMPTS = 2


@dataclass
class _Shard:
    """A part of the images; `done` counts those that its worker has passed, None before the first attempt at one."""

    folder: JobFolder
    cases: tuple[JobCase, ...]
    done: int | None = None
    said: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> JobCase | None:
        """The case that is being segmented."""
        return None if self.done is None or self.done >= len(self.cases) else self.cases[self.done]


class ShardedPrediction:
    """Splits what a prediction has not segmented yet, and follows the parts; the lock of its folder is the caller's.

    A worker that ends too early is started again. Where it ends at the same image twice, that image is left out.

    Args:
        folder: Folder of the prediction with its job.json.
        executor: Place where the shards run.
        count: Number of shards.
        tell: Function that takes events of the whole.
    """

    def __init__(self, folder: JobFolder, executor: Executor, count: int, tell: Callable[[Event], None]) -> None:
        self._folder, self._executor, self._tell = folder, executor, tell
        self._spec = folder.spec()
        self._failures: dict[str, UserError] = {}
        self._ends: Counter[str] = Counter()
        self._warnings: set[str] = set()
        self._told, self._done_before, self._began = -1, 0, 0.0
        # What lies on another machine is fetched from there; everything else is split anew.
        kept = list(_shards_elsewhere(folder))
        gather(folder)
        taken = {case.id for shard in kept for case in shard.cases}
        left = [case for case in self._spec.cases if case.id not in taken and not is_predicted(folder, case.id)]
        parts = [left[number::count] for number in range(min(count, len(left)))]
        self._active = [*kept, *(self._new_shard(part) for part in parts)]

    def submit(self) -> None:
        """Hand all shards to the executor; raises UserError when a file cannot be written."""
        self._emit(StageStarted(_STAGE, "Segmenting images", len(self._spec.cases)))
        self._folder.write_status("running")
        for shard in self._active:
            self._executor.submit(shard.folder)

    def advance(self) -> bool:
        """Take in what has happened, and return whether all shards have ended; raises UserError for a full disk."""
        for shard in tuple(self._active):
            state = self._executor.state(shard.folder)
            if state == "waiting":
                continue
            for event in self._executor.events(shard.folder):
                self._take(shard, event)
            if state in ENDED:
                self._end(shard, self._executor.outcome(shard.folder))
        self._tell_progress()
        return not self._active

    def finish(self) -> dict[str, Any] | None:
        """Write and return the result, None for a prediction that was stopped; raises UserError when all has failed."""
        done = [case.id for case in self._spec.cases if is_predicted(self._folder, case.id)]
        if len(done) + len(self._failures) < len(self._spec.cases):
            self._emit(Cancelled(0))
            self._folder.write_status("cancelled", message="Stopped. It can be resumed.")
            return None
        failures = sorted(self._failures.values(), key=str)
        if not done:
            self._folder.write_status("failed", message=str(failures[0]))
            raise all_failures(failures)
        cases = [vars(read_summary(self._folder.predictions / case_id)) for case_id in done]
        failed = [{"message": failure.message, "advice": failure.advice} for failure in failures]
        result = {"kind": self._spec.kind, "cases": cases, "failed": failed}
        self._folder.write_result(result)
        self._emit(Finished({"kind": self._spec.kind}))
        self._folder.write_status("finished", message="Finished.")
        return result

    def _take(self, shard: _Shard, event: Event) -> None:
        if isinstance(event, StageStarted) and event.name == _STAGE:
            shard.done = 0
        elif isinstance(event, Progress) and event.stage == _STAGE:
            shard.done = event.done
        elif isinstance(event, WarningRaised):
            text = event.message
            shard.said |= {case.id: text for case in shard.cases if text.startswith(f"Case {case.id}:")}
            # A worker that begins once more warns once more.
            if text not in self._warnings:
                self._warnings.add(text)
                self._emit(event)

    def _end(self, shard: _Shard, outcome: Outcome) -> None:
        if outcome.kind == "failed":
            self._fail(shard, outcome)
            return
        self._active.remove(shard)
        collect(self._folder, shard.folder)
        if outcome.kind == "finished":
            for failure in outcome.result["failed"]:
                self._failures[failure["message"]] = UserError(failure["message"], failure["advice"])
            shutil.rmtree(shard.folder.path, ignore_errors=True)

    def _fail(self, shard: _Shard, outcome: Outcome) -> None:
        culprit = shard.current or _unreadable(shard, outcome)
        key = shard.folder.name if culprit is None else culprit.id
        self._ends[key] += 1
        if self._ends[key] < _MOST_ATTEMPTS:
            shard.done = None
            self._executor.submit(shard.folder)
            return
        self._active.remove(shard)
        collect(self._folder, shard.folder)
        left = [case for case in shard.cases if not is_predicted(self._folder, case.id)]
        lost = left if culprit is None else [culprit]
        for case in lost:
            self._lose(shard, case, outcome)
        self._executor.forget(shard.folder)
        shutil.rmtree(shard.folder.path, ignore_errors=True)
        if rest := [case for case in left if case not in lost]:
            again = self._new_shard(rest)
            self._active.append(again)
            self._executor.submit(again.folder)

    def _lose(self, shard: _Shard, case: JobCase, outcome: Outcome) -> None:
        name = f"Case {case.id}: "
        text = shard.said.get(case.id) or name + outcome.message.removeprefix(name)
        self._failures[case.id] = UserError(text, outcome.advice)

    def _new_shard(self, cases: Sequence[JobCase]) -> _Shard:
        folder = JobFolder(_home(self._folder) / f"{_next_number(self._folder):04d}")
        folder.write_spec(replace(self._spec, cases=tuple(cases)))
        return _Shard(folder, tuple(cases))

    def _tell_progress(self) -> None:
        total = len(self._spec.cases)
        left = sum(len(shard.cases) - (shard.done or 0) for shard in self._active)
        if total - left == self._told:
            return
        if self._told < 0:
            self._began, self._done_before = time.monotonic(), total - left
        self._told = total - left
        new = self._told - self._done_before
        seconds = (time.monotonic() - self._began) / new * left if new else None
        self._emit(Progress(_STAGE, self._told, total, seconds))

    def _emit(self, event: Event) -> None:
        self._tell(self._folder.append_event(event))


def _unreadable(shard: _Shard, outcome: Outcome) -> JobCase | None:
    """Return the case that could not be sent to another machine, None where that is not the reason."""
    if shard.done is not None:
        return None
    return next((case for case in shard.cases if outcome.message.startswith(f"Case {case.id}: ")), None)


def gather(folder: JobFolder) -> None:
    """Take over what the shards of an earlier attempt on this computer have segmented, and remove them.

    Raises:
        UserError: A shard is still being worked at, or a file cannot be moved.
    """
    for shard in _shard_folders(folder):
        if is_elsewhere(shard):
            continue
        # Its worker notices that its parent is gone, and ends after the image that it is at.
        with shard.lock():
            collect(folder, shard)
        shutil.rmtree(shard.path, ignore_errors=True)


def has_shards(folder: JobFolder) -> bool:
    """Return whether an earlier attempt has left shards."""
    return any(True for _ in _shard_folders(folder))


def machines_of_shards(folder: JobFolder) -> set[str]:
    """Return the names of other machines that an earlier attempt has left shards on; raises UserError."""
    return {machine for machine in map(machine_of, _shard_folders(folder)) if machine is not None}


def collect(folder: JobFolder, shard: JobFolder) -> None:
    """Move the complete predictions of a shard to those of all; raises UserError when that fails."""
    check_stays_inside(folder.predictions, folder.path)
    try:
        folder.predictions.mkdir(exist_ok=True)
        for place in sorted(shard.predictions.iterdir()) if shard.predictions.is_dir() else ():
            if is_predicted(shard, place.name):
                target = folder.predictions / place.name
                shutil.rmtree(target, ignore_errors=True)
                os.replace(place, target)
    except OSError as error:
        raise write_error(folder.predictions, error) from error


def _shards_elsewhere(folder: JobFolder) -> Iterator[_Shard]:
    for shard in _shard_folders(folder):
        if is_elsewhere(shard):
            yield _Shard(shard, shard.spec().cases)


def _shard_folders(folder: JobFolder) -> list[JobFolder]:
    return [shard for shard in map(JobFolder, sorted(_home(folder).glob("[0-9]*"))) if shard.exists()]


def _next_number(folder: JobFolder) -> int:
    return max((int(path.name) for path in _home(folder).glob("[0-9]*")), default=0) + 1


def _home(folder: JobFolder) -> Path:
    return folder.path / "shards"

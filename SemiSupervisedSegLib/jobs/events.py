"""What a worker says while it works: typed events, one JSON object a line."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .records import from_plain, to_plain

CONNECT = "connect"
"""Name of the stage in which another machine is waited for, until it answers or a job has its turn."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events; `time` is in seconds since the epoch, zero until the event is emitted."""

    time: float = 0.0


@dataclass(frozen=True)
class Started(Event):
    """The worker runs; `device` is where it computes, in words for the user."""

    device: str
    pid: int
    resumed_from: int | None = None


@dataclass(frozen=True)
class StageStarted(Event):
    """A part of the job begins; `steps` is its length, zero when it is not known."""

    name: str
    title: str
    steps: int


@dataclass(frozen=True)
class StepDone(Event):
    """Optimisation steps are done up to `step`, counted from 1."""

    stage: str
    step: int
    total_steps: int
    losses: dict[str, float]
    learning_rate: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Progress(Event):
    """A part of the job got on.

    Without a unit `done` counts cases or batches, such as while preprocessing; `step` counts optimisation steps between
    two events that have their losses.
    """

    stage: str
    done: int
    total: int
    seconds_left: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Validated(Event):
    """The network was scored on the validation cases; Dice from 0 to 1 by structure name."""

    step: int
    dice: dict[str, float]
    mean_dice: float


@dataclass(frozen=True)
class PreviewReady(Event):
    """A case was segmented while training; `files` maps what it is to a path relative to the job folder."""

    step: int
    case: str
    files: dict[str, str]


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """From here on, a stopped job continues at `step`; `cpu_seconds` is the processor time of the training up to it."""

    step: int
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class WarningRaised(Event):
    """Something the user should know, while the job continues."""

    message: str


@dataclass(frozen=True)
class TableUpdated(Event):
    """A training of a comparison has ended, of which so many are finished now; table.json has the scores so far."""

    finished: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class Failed(Event):
    """The job ended because of an error."""

    message: str
    advice: str = ""


@dataclass(frozen=True)
class Cancelled(Event):
    """The job ended on request, with a checkpoint at `step`."""

    step: int


@dataclass(frozen=True)
class Finished(Event):
    """The job is done; `result` is the content of result.json."""

    result: dict[str, Any] = field(default_factory=dict)


def _type_name(kind: type[Event]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


_KINDS: dict[str, type[Event]] = {_type_name(kind): kind for kind in Event.__subclasses__()}


def stamped(event: Event) -> Event:
    """Return the event with the present time, unless it has one already."""
    return event if event.time else dataclasses.replace(event, time=time.time())


def to_line(event: Event) -> str:
    """Write an event as one line of JSON in ASCII, with the newline at its end."""
    content = {"event": _type_name(type(event))} | to_plain(event)
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"


def from_line(line: str) -> Event | None:
    """Read one line; None stands for an event that only a newer program knows.

    Raises:
        ValueError: The line is damaged, as the last one is when the worker was killed while it wrote.
    """
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise ValueError("the line is nested too deeply") from error
    name = content.pop("event", None) if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise ValueError("the line is not an event")
    kind = _KINDS.get(name)
    return None if kind is None else from_plain(kind, content, ignore_unknown=True)


def working_seconds(events: Sequence[Event]) -> float:
    """Return how long the workers ran; a pause between a stop and its continuation does not count.

    Nor does the time that a clock was set back, so that the sum is never negative.
    """
    pairs = itertools.pairwise(events)
    return sum(max(0.0, later.time - event.time) for event, later in pairs if not isinstance(later, Started))

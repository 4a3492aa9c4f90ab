"""How a job ended, from everything a worker leaves behind: its exit code, its last events, its result and its log."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..study.errors import UserError
from .events import Cancelled, Event, Failed
from .folder import JobFolder

_LOG_END = 4096


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    Attributes:
        kind: `finished` with a result, `stopped` on request, or `failed`.
        message: what went wrong, one sentence; empty when finished.
        advice: what to do about it.
        step: of the checkpoint at which a stopped job goes on.
        result: the content of result.json; empty when not finished.
    """

    kind: Literal["finished", "stopped", "failed"]
    message: str = ""
    advice: str = ""
    step: int = 0
    result: dict[str, Any] = field(default_factory=dict)


def judge(folder: JobFolder, code: int | None, said: Iterable[Event]) -> Outcome:
    """How a job ended.

    Args:
        folder: of the job.
        code: exit code of the worker, negative for a signal; None when nobody knows.
        said: the events of this worker, without those of earlier ones.
    """
    ends = [event for event in said if isinstance(event, Cancelled | Failed)]
    end = ends[-1] if ends else None
    if isinstance(end, Cancelled):
        return Outcome("stopped", f"Stopped at step {end.step}, from where it can go on.", step=end.step)
    if isinstance(end, Failed):
        return Outcome("failed", end.message, end.advice)
    try:
        result = folder.result()
    except UserError as error:
        return Outcome("failed", error.message, error.advice)
    if code not in (0, None) or result is None:
        return _broken_off(folder, code)
    return Outcome("finished", result=result)


def _broken_off(folder: JobFolder, code: int | None) -> Outcome:
    if not folder.path.is_dir():
        return Outcome("failed", f"The folder of {folder.name} is gone.", "Start a new round.")
    reason = "" if code is None else f" ({_reason(code)})"
    problem = f"The worker ended before its work was done{reason}."
    return Outcome("failed", f"{problem} {_last_words(folder)}".strip(), f"See {folder.log}.")


def _last_words(folder: JobFolder) -> str:
    # A worker that may not write events, as when another one holds the round, has only its log to say why.
    try:
        with open(folder.log, "rb") as log:
            log.seek(max(0, folder.log.stat().st_size - _LOG_END))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
    hint = ", perhaps because the memory of the machine was used up" if name == "SIGKILL" else ""
    return f"signal {name}{hint}"

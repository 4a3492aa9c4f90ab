"""How a job ended, from everything a worker leaves behind: its exit code, its last events, its result and its log."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..study.errors import UserError
from .events import Cancelled, Event, Failed
from .folder import JobFolder

EXIT_FINISHED, EXIT_FAILED, EXIT_CANCELLED, EXIT_PAUSED = 0, 2, 3, 4
"""Exit codes of a worker; the last two say that it was stopped on request, or until a queue starts it again."""
_LOG_END = 4096
_SIGNAL_IN_SHELLS = 128


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    Attributes:
        kind: `finished` with a result, `stopped` on request, or `failed`.
        message: One sentence that says what is wrong; empty when finished.
        advice: One sentence that says what to do.
        step: Step of the checkpoint from which a stopped job resumes, 0 for its beginning and for predictions.
        result: Content of result.json; empty when not finished.
    """

    kind: Literal["finished", "stopped", "failed"]
    message: str = ""
    advice: str = ""
    step: int = 0
    result: dict[str, Any] = field(default_factory=dict)


def determine_outcome(folder: JobFolder, exit_code: int | None, events: Iterable[Event]) -> Outcome:
    """Determine how a job ended.

    Args:
        folder: Folder of the job.
        exit_code: Exit code of the worker, negative for a signal; None when it is not known.
        events: Events of this worker, without those of earlier ones.
    """
    ends = [event for event in events if isinstance(event, Cancelled | Failed)]
    end = ends[-1] if ends else None
    if isinstance(end, Cancelled):
        place = f" at step {end.step}, where it can be resumed" if end.step else "; it can be resumed"
        return Outcome("stopped", f"Stopped{place}.", step=end.step)
    if isinstance(end, Failed):
        return Outcome("failed", end.message, end.advice)
    try:
        result = folder.result()
    except UserError as error:
        return Outcome("failed", error.message, error.advice)
    if exit_code not in (0, None) or result is None:
        return _crashed(folder, exit_code)
    return Outcome("finished", result=result)


def _crashed(folder: JobFolder, exit_code: int | None) -> Outcome:
    if not folder.path.is_dir():
        return Outcome("failed", f"The folder of {folder.name} is gone.", "Start a new round.")
    reason = "" if exit_code is None else f" ({_describe_exit(exit_code)})"
    problem = f"The worker ended before its work was done{reason}."
    return Outcome("failed", f"{problem} {_last_log_line(folder)}".strip(), f"See {folder.log}.")


def _last_log_line(folder: JobFolder) -> str:
    # A worker that may not write events, as when another one holds the round, has only its log to say why.
    try:
        with open(folder.log, "rb") as log:
            log.seek(max(0, folder.log.stat().st_size - _LOG_END))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""


def _describe_exit(exit_code: int) -> str:
    # A shell that started the worker, as launchers are, says it by a number above 128.
    number = exit_code - _SIGNAL_IN_SHELLS if exit_code > _SIGNAL_IN_SHELLS else -exit_code
    if exit_code >= 0 and number not in list(signal.Signals):
        return f"exit code {exit_code}"
    name = signal.Signals(number).name if number in list(signal.Signals) else str(number)
    hint = ", perhaps because the memory of the machine was used up" if name == "SIGKILL" else ""
    return f"signal {name}{hint}"

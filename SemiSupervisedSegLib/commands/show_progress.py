"""Events of a worker as text: one line that is kept up to date on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from ..jobs.events import Event, Progress, StageStarted, Started, StepDone, Validated, WarningRaised

_SECONDS_BETWEEN_LINES = 5.0


class ProgressPrinter:
    """Writes what a worker says to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._line = ""
        self._printed_at = -_SECONDS_BETWEEN_LINES
        self._mean_dice: float | None = None

    def show(self, event: Event) -> None:
        """Print an event, or nothing for those that are not meant for a reader."""
        match event:
            case Started():
                resumed = f", going on at step {event.resumed_from}" if event.resumed_from is not None else ""
                self.note(f"Computing on {event.device}{resumed}.")
            case StageStarted():
                self.note(event.title)
            case Validated():
                self._mean_dice = event.mean_dice
                parts = ", ".join(f"{name} {dice:.3f}" for name, dice in event.dice.items())
                self.note(f"Step {event.step}: validation Dice {event.mean_dice:.3f} ({parts})")
            case WarningRaised():
                self.note(f"warning: {event.message}")
            case StepDone():
                self._update(self._describe_step(event), event.step == event.total_steps)
            case Progress():
                text = f"{_percent(event.done, event.total)}  {event.done} of {event.total}"
                self._update(text + _left(event.seconds_left), event.done == event.total)

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self.close()
        self._stream.write(text + "\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line that is kept up to date, if there is one."""
        if self._line:
            self._stream.write("\n")
            self._line = ""

    def _describe_step(self, event: StepDone) -> str:
        losses = "  ".join(f"{name} {value:.4f}" for name, value in event.losses.items())
        dice = f"  Dice {self._mean_dice:.3f}" if self._mean_dice is not None else ""
        head = f"{_percent(event.step, event.total_steps)}  step {event.step} of {event.total_steps}"
        return f"{head}{_left(event.seconds_left)}{dice}  {losses}"

    def _update(self, text: str, last: bool) -> None:
        if self._is_terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + text.ljust(len(self._line)))
            self._line = text
            self._stream.flush()
        elif last or time.monotonic() - self._printed_at >= _SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            self.note(text)


def in_words(seconds: float) -> str:
    """A duration such as 45 s, 3 min 20 s or 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"  {in_words(seconds)} left"


def _percent(done: int, total: int) -> str:
    return f"{100 * done // max(total, 1):3d} %"

"""Events of a worker on a stream: one line that is updated on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from ..jobs.event_text import count, describe, format_duration, fraction, losses
from ..jobs.events import CheckpointSaved, Event, Progress, StepDone, Validated

_SECONDS_BETWEEN_LINES = 5.0


class ProgressPrinter:
    """Writes the events of a worker to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._line = ""
        self._printed_at = -_SECONDS_BETWEEN_LINES
        self._mean_dice: float | None = None
        self._losses = ""

    def show(self, event: Event) -> None:
        """Print an event, or nothing for those that are not meant for a reader."""
        if isinstance(event, StepDone | Progress):
            self._update(self._describe_progress(event), fraction(event) == 1.0)
            return
        if isinstance(event, Validated):
            self._mean_dice = event.mean_dice
        # On a terminal every checkpoint would end the line that is kept up to date.
        text = "" if isinstance(event, CheckpointSaved) else describe(event)
        if text:
            self.note(text)

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self.close()
        self._stream.write(text + "\n")
        self._stream.flush()

    def close(self) -> None:
        """End the status line, if there is one."""
        if self._line:
            self._stream.write("\n")
            self._line = ""

    def _describe_progress(self, event: StepDone | Progress) -> str:
        parts = [f"{int(100 * (fraction(event) or 0) + 1e-9):3d} %", count(event)]
        if event.seconds_left is not None:
            parts.append(f"{format_duration(event.seconds_left)} left")
        if isinstance(event, StepDone):
            self._losses = losses(event)
        if isinstance(event, StepDone) or event.unit:
            dice = "" if self._mean_dice is None else f"Dice {self._mean_dice:.3f}"
            parts += filter(None, [dice, self._losses])
        return "  ".join(parts)

    def _update(self, text: str, last: bool) -> None:
        if self._is_terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + text.ljust(len(self._line)))
            self._line = text
            self._stream.flush()
        elif last or time.monotonic() - self._printed_at >= _SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            self.note(text)

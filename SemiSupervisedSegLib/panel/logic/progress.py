"""What a run has come to, put together from its events."""

from __future__ import annotations

from ...jobs.event_text import count, describe, fraction
from ...jobs.events import Event, Progress, StageStarted, Started, StepDone, Validated, WarningRaised

_SECONDS_BETWEEN_LINES = 5.0


class RunProgress:
    """Follows the events of one run.

    Attributes:
        device: Description of the computing device.
        stage: Title of the running part.
        fraction: Completed share of that part, 0 to 1; None when it is not known.
        count: Text with the progress, such as step 120 of 600.
        seconds_left: Remaining time of that part in seconds; None when it is not known.
        mean_dice: Mean Dice of the last validation, 0 to 1; None before.
        warnings: All warnings in their order, each once.
    """

    def __init__(self) -> None:
        self.device = self.stage = self.count = ""
        self.fraction: float | None = None
        self.seconds_left: float | None = None
        self.mean_dice: float | None = None
        self.warnings: list[str] = []
        self._lines: list[str] = []
        self._logged_at = 0.0

    def take(self, event: Event) -> None:
        """Learn from an event."""
        match event:
            case Started():
                self.device, self.warnings, self._logged_at = event.device, [], 0.0
            case StageStarted():
                self.stage, self.fraction, self.count, self.seconds_left = event.title, None, "", None
            case StepDone() | Progress():
                self.fraction, self.count, self.seconds_left = fraction(event), count(event), event.seconds_left
            case Validated():
                self.mean_dice = event.mean_dice
        if self._is_logged(event):
            self._lines.append(describe(event))

    def new_lines(self) -> list[str]:
        """Return the lines for the log since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def _is_logged(self, event: Event) -> bool:
        if isinstance(event, WarningRaised):
            new = event.message not in self.warnings
            self.warnings += [event.message] if new else []
            return new
        if isinstance(event, StepDone):
            due = event.step == event.total_steps or event.time - self._logged_at >= _SECONDS_BETWEEN_LINES
            self._logged_at = event.time if due else self._logged_at
            return due
        return not isinstance(event, Progress) and bool(describe(event))

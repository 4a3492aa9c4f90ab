"""What a run has come to, put together from its events."""

from __future__ import annotations

from ...jobs.event_text import count, describe, fraction
from ...jobs.events import (
    CONNECT,
    Cancelled,
    Event,
    Failed,
    Progress,
    StageStarted,
    Started,
    StepDone,
    TableUpdated,
    Validated,
    WarningRaised,
)

_SECONDS_BETWEEN_LINES = 5.0
# So many validations in a row without a higher Dice are no accident of one of them, and less is no rise.
_FLAT_VALIDATIONS, _RISE = 5, 0.002
# The first step takes longer than the others, as the device gets ready in it.
_STEPS_FOR_A_PACE = 2


class RunProgress:
    """Follows the events of one run.

    Args:
        finishing: Expected seconds from the last step to the end, 0 when they are not known.

    Attributes:
        device: Description of the computing device.
        stage: Title of the running part.
        notice: What there is to say of the connection to another machine in its place, empty while it works.
        fraction: Completed share of that part, 0 to 1; None when it is not known, 0 while waiting.
        count: Text with the progress, such as step 120 of 600.
        seconds_left: Remaining time in seconds, of all steps and what follows them, else of the running part; None when
            it is not known.
        mean_dice: Mean Dice of the last validation, 0 to 1; None before.
        flat_since: Step of the highest mean Dice when it has not risen for several validations, else None.
        warnings: All warnings in their order, each once.
    """

    def __init__(self, finishing: float = 0.0) -> None:
        self.device = self.stage = self.notice = self.count = ""
        self.fraction: float | None = None
        self.seconds_left: float | None = None
        self.mean_dice: float | None = None
        self.flat_since: int | None = None
        self._highest = (0, 0.0)
        self._validations = 0
        self.warnings: list[str] = []
        self._lines: list[str] = []
        self._logged_at = 0.0
        self._finishing = finishing
        self._first_step: tuple[int, float] | None = None

    def take(self, event: Event) -> None:
        """Learn from an event."""
        match event:
            case Started():
                self.device, self.warnings, self._logged_at, self._first_step = event.device, [], 0.0, None
            case Cancelled() | Failed():
                # That of an earlier run, which says nothing of the one that begins.
                self.stage = self.notice = self.count = ""
                self.fraction, self.seconds_left = 0.0, None
            case StageStarted():
                self.stage, self.seconds_left = event.title, None
                self.notice = event.title if event.name == CONNECT else ""
                # Where the length is not known yet, nothing is said of it. A queue can take hours, in which a bar that
                # moves by itself would take most of a processor core where Slicer draws without a graphics card.
                self.fraction = 0.0 if event.steps or event.name == CONNECT else None
                self.count = f"0 of {event.steps}" if event.steps else ""
            case StepDone():
                self._take_count(event, self._seconds_left(event, event.step, event.total_steps))
            case Progress(unit="step") if self._first_step is None:
                # While nothing can be counted the bar moves by itself.
                self._seconds_left(event, event.done, event.total)
                self.fraction, self.seconds_left = None, None
                self.count = f"step {event.done + 1} of {event.total}, the first one takes longest"
            case Progress(unit="step"):
                self._take_count(event, self._seconds_left(event, event.done, event.total))
            case Progress() | TableUpdated():
                self._take_count(event, event.seconds_left)
            case Validated():
                self._take_dice(event.step, event.mean_dice)
        if self._is_logged(event):
            self._lines.append(describe(event))

    def _take_dice(self, step: int, mean_dice: float) -> None:
        self.mean_dice = mean_dice
        if mean_dice > self._highest[1] + _RISE:
            self._highest, self._validations = (step, mean_dice), 0
        else:
            self._validations += 1
        self.flat_since = self._highest[0] if self._validations >= _FLAT_VALIDATIONS else None

    def _take_count(self, event: StepDone | Progress | TableUpdated, seconds_left: float | None) -> None:
        self.fraction, self.count, self.seconds_left = fraction(event), count(event), seconds_left

    def _seconds_left(self, event: Event, step: int, total: int) -> float | None:
        """Return the time at the pace so far, with the validations and previews between the steps."""
        if self._first_step is None:
            self._first_step = step, event.time
        first, began = self._first_step
        if step - first < _STEPS_FOR_A_PACE:
            return None
        return (event.time - began) / (step - first) * (total - step) + self._finishing

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

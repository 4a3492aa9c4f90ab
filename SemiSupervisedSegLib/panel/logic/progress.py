"""What a run has come to, put together from its events."""

from __future__ import annotations

from ...jobs.events import (
    CheckpointSaved,
    Event,
    Progress,
    StageStarted,
    Started,
    StepDone,
    Validated,
    WarningRaised,
)

_SECONDS_BETWEEN_LINES = 5.0


class RunProgress:
    """Follows the events of one run.

    Attributes:
        device: where it computes, in words.
        stage: title of the part at work.
        fraction: of that part that is done, 0 to 1; None when not known.
        count: how far it is, such as step 120 of 600.
        seconds_left: of that part; None when not known.
        mean_dice: of the last validation, 0 to 1; None before.
        warnings: all of them, in their order and each once.
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
                resumed = f", going on at step {event.resumed_from}" if event.resumed_from is not None else ""
                self._lines.append(f"Computing on {event.device}{resumed}.")
            case StageStarted():
                self.stage, self.fraction, self.count, self.seconds_left = event.title, None, "", None
                self._lines.append(event.title)
            case StepDone():
                self._advance(event.step, event.total_steps, "step ", event.seconds_left)
                self._log_step(event)
            case Progress():
                self._advance(event.done, event.total, "", event.seconds_left)
            case Validated():
                self.mean_dice = event.mean_dice
                parts = ", ".join(f"{name} {dice:.3f}" for name, dice in event.dice.items())
                self._lines.append(f"Step {event.step}: validation Dice {event.mean_dice:.3f} ({parts})")
            case CheckpointSaved():
                self._lines.append(f"Step {event.step}: saved")
            case WarningRaised() if event.message not in self.warnings:
                self.warnings.append(event.message)
                self._lines.append(f"Warning: {event.message}")

    def new_lines(self) -> list[str]:
        """Lines for the log since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def _advance(self, done: int, total: int, what: str, left: float | None) -> None:
        self.fraction = done / total if total else None
        self.count = f"{what}{done} of {total}"
        self.seconds_left = left

    def _log_step(self, event: StepDone) -> None:
        if event.step == event.total_steps or event.time - self._logged_at >= _SECONDS_BETWEEN_LINES:
            self._logged_at = event.time
            losses = "  ".join(f"{name} {value:.4f}" for name, value in event.losses.items())
            self._lines.append(f"Step {event.step} of {event.total_steps}  {losses}")

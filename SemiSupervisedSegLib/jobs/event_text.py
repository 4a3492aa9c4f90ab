"""Events of a worker in words, the same on a terminal and in the panel."""

from __future__ import annotations

from .events import (
    CheckpointSaved,
    Event,
    Progress,
    StageStarted,
    Started,
    StepDone,
    TableUpdated,
    Validated,
    WarningRaised,
)


def describe(event: Event) -> str:
    """Return an event as one line for the user, empty for those that have no words."""
    match event:
        case Started():
            resumed = f", resumed at step {event.resumed_from}" if event.resumed_from is not None else ""
            return f"Computing on {event.device}{resumed}."
        case StageStarted():
            return event.title
        case StepDone():
            return f"{capitalized(count(event))}  {losses(event)}"
        case Progress():
            return count(event)
        case Validated():
            parts = ", ".join(f"{name} {dice:.3f}" for name, dice in event.dice.items())
            return f"Step {event.step}: validation Dice {event.mean_dice:.3f} ({parts})"
        case CheckpointSaved():
            return f"Step {event.step}: saved"
        case WarningRaised():
            return f"Warning: {event.message}"
        case TableUpdated():
            left = "" if not event.seconds_left else f", {format_duration(event.seconds_left)} left"
            return f"{count(event)} are done{left}."
    return ""


def count(event: StepDone | Progress | TableUpdated) -> str:
    """Return how much is done, such as `step 120 of 600`, `3 of 8` for cases, or `3 of 8 trainings`."""
    if isinstance(event, StepDone):
        return f"step {event.step} of {event.total_steps}"
    if isinstance(event, TableUpdated):
        return f"{event.finished} of {event.total} trainings"
    return f"{event.unit} {event.done} of {event.total}".strip()


def fraction(event: StepDone | Progress | TableUpdated) -> float | None:
    """Return the share that is done, 0 to 1; None when there is nothing to count."""
    match event:
        case StepDone():
            done, total = event.step, event.total_steps
        case TableUpdated():
            done, total = event.finished, event.total
        case _:
            done, total = event.done, event.total
    return done / total if total else None


def losses(event: StepDone) -> str:
    """Return the names and values of all losses of a step."""
    return "  ".join(f"{name} {value:.4f}" for name, value in event.losses.items())


def format_duration(seconds: float) -> str:
    """Return a duration such as 45 s, 3 min 20 s or 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def capitalized(text: str) -> str:
    """Return a text whose first letter is a capital."""
    return text[:1].upper() + text[1:]

from __future__ import annotations

import io

import pytest

from SemiSupervisedSegLib.commands import show_progress
from SemiSupervisedSegLib.commands.show_progress import ProgressPrinter
from SemiSupervisedSegLib.jobs.event_text import format_duration
from SemiSupervisedSegLib.jobs.events import (
    CheckpointSaved,
    Progress,
    StageStarted,
    StepDone,
    Validated,
    WarningRaised,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(number: int) -> StepDone:
    return StepDone("train", number, 200, {"total": 0.51234}, 0.01, 125.0)


def test_on_a_terminal_one_line_is_kept_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    printer = ProgressPrinter(stream)
    for event in (step(50), step(51), Validated(51, {"gland": 0.75}, 0.75), step(52)):
        printer.show(event)
    printer.close()
    lines = stream.getvalue().split("\n")
    assert lines[0].count("\r") == 2
    assert "25 %" in lines[0]
    assert "2 min 5 s left" in lines[0]
    assert lines[1] == "Step 51: validation Dice 0.750 (gland 0.750)"
    assert "Dice 0.750" in lines[2]
    assert all(len(part) < 60 for line in lines for part in line.split("\r"))


def test_elsewhere_a_line_comes_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(show_progress.time, "monotonic", lambda: next(clock) * 0.01)
    stream = io.StringIO()
    printer = ProgressPrinter(stream)
    for number in range(1, 201):
        printer.show(step(number))
    printer.show(CheckpointSaved(200))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].strip().startswith("0 %  step 1 of 200  2 min 5 s left")
    assert "total 0.5123" in lines[-1]
    assert lines[-1].startswith("100 %  step 200 of 200")


def test_stages_cases_and_warnings_are_said() -> None:
    stream = io.StringIO()
    printer = ProgressPrinter(stream)
    for event in (StageStarted("cache", "Preparing images", 0), WarningRaised("odd"), Progress("cache", 3, 3, None)):
        printer.show(event)
    assert stream.getvalue().splitlines() == ["Preparing images", "Warning: odd", "100 %  3 of 3"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words

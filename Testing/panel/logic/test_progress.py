"""How far a run is, and how long it still takes, from its events."""

from __future__ import annotations

import pytest

from SemiSupervisedSegLib.jobs.events import Progress, StageStarted, Started, StepDone, Validated, WarningRaised
from SemiSupervisedSegLib.panel.logic.progress import RunProgress


def test_warnings_are_kept_once_and_steps_logged_now_and_then() -> None:
    progress = RunProgress()
    progress.take(Started("the processor", 1, time=1.0))
    for step in range(1, 101):
        progress.take(StepDone("train", step, 100, {"loss": 0.5}, 0.01, 10.0, time=100.0 + step))
        progress.take(WarningRaised("Careful.", time=100.0 + step))
    lines = progress.new_lines()
    assert progress.warnings == ["Careful."]
    assert progress.fraction == 1.0
    assert len([line for line in lines if line.startswith("Step")]) == 21
    assert progress.new_lines() == []


def counted(step: int, time: float, total: int = 24) -> Progress:
    return Progress("train", step, total, unit="step", time=time)


def test_everything_is_counted_from_its_beginning() -> None:
    progress, texts = RunProgress(), []
    events = [
        StageStarted("connect", "Job 3 waits in the queue.", 0),
        StageStarted("preprocess", "Preparing images", 10),
        Progress("preprocess", 4, 10, 6.0),
        StageStarted("train", "Training", 24),
        counted(0, 100.0),
        counted(3, 106.0),
        StepDone("train", 10, 24, {"loss": 0.5}, 0.01, 28.0, time=120.0),
        StageStarted("model", "Saving the model", 0),
    ]
    for event in events:
        progress.take(event)
        texts.append((progress.stage, progress.count, progress.fraction))
    assert texts == [
        ("Job 3 waits in the queue.", "", 0.0),
        ("Preparing images", "0 of 10", 0.0),
        ("Preparing images", "4 of 10", 0.4),
        ("Training", "0 of 24", 0.0),
        # Until then the bar moves by itself.
        ("Training", "step 1 of 24, the first one takes longest", None),
        ("Training", "step 3 of 24", 3 / 24),
        ("Training", "step 10 of 24", 10 / 24),
        ("Saving the model", "", None),
    ]


def test_the_time_left_is_that_of_steps_validations_previews_and_what_follows() -> None:
    progress, left = RunProgress(finishing=30.0), []
    # Two seconds a step, and a validation of 10 seconds behind the fifth.
    for step, time in ((0, 100.0), (1, 102.0), (2, 104.0), (6, 122.0)):
        progress.take(counted(step, time))
        left.append(progress.seconds_left)
    assert left == [None, None, pytest.approx(2.0 * 22 + 30), pytest.approx(22 / 6 * 18 + 30)]
    progress.take(Started("the processor", 1, 6, time=900.0))
    progress.take(counted(6, 1000.0))
    assert (progress.count, progress.fraction) == ("step 7 of 24, the first one takes longest", None)
    progress.take(counted(10, 1004.0))
    assert progress.seconds_left == pytest.approx(1.0 * 14 + 30), "a pause counts for nothing"


def test_a_dice_that_has_not_risen_for_long_is_said_until_it_rises() -> None:
    progress = RunProgress()
    dices = [0.3, 0.6, 0.601, 0.59, 0.6, 0.55, 0.6, 0.7]
    flat = []
    for number, dice in enumerate(dices, 1):
        progress.take(Validated(20 * number, {"liver": dice}, dice))
        flat.append(progress.flat_since)
    assert flat == [None, None, None, None, None, None, 40, None]
    assert progress.mean_dice == 0.7

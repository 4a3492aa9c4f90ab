"""What section Train says while a training stops."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
STOPS_SLOWLY = """
say(StageStarted("train", "Training", 10))
for number in range(1, 5):
    step(number)
while not folder.cancel_requested():
    time.sleep(0.01)
say(StageStarted("connect", "box cannot be reached.", 0))
while not (folder.path / "go").exists():
    time.sleep(0.01)
say(Cancelled(step=4)); sys.exit(3)
"""


def test_while_a_training_stops_the_line_above_the_bar_says_so(make_panel: Any, spin: Any) -> None:
    panel = make_panel(STOPS_SLOWLY)
    ui = panel.ui
    ui.startButton.click()
    spin(lambda: len(panel.events) == 6, 20)
    assert ui.stageLabel.text == "Training"
    assert ui.detailLabel.text == "step 4 of 10, less than a minute left"
    ui.stopButton.click()
    assert ui.stageLabel.text == "Stopping: what was learned is being saved."
    assert ui.detailLabel.text == "step 4 of 10"
    # The request may not have reached another machine, and that has to be known.
    spin(lambda: len(panel.events) == 7, 20)
    assert ui.stageLabel.text == "Stopping: what was learned is being saved. box cannot be reached."
    (panel.runner.folder.path / "go").touch()
    spin(lambda: panel.outcomes, 20)
    panel.ui.resumeButton.click()
    assert "getting ready" in ui.stageLabel.text

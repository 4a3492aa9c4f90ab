"""A round from the Start button to its end, with the real worker in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Started, StepDone

from .train_panel import TINY, TrainPanel, tiny_study


@pytest.fixture
def panel(services: Any, scene: Any, tmp_path: Path) -> Iterator[TrainPanel]:
    panel = TrainPanel(services)
    panel.useDevice("cpu")
    panel.session.open_study(tiny_study(tmp_path / "study").folder)
    panel.section.form.chooseMethod("supervised")
    panel.section.form.choosePreset("quick")
    yield panel
    panel.close()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_round_is_watched_killed_resumed_and_built_upon(panel: TrainPanel, spin: Any) -> None:
    panel.set(**TINY | {"steps": 24, "preview_interval": 6, "validation_interval": 12})
    shown = panel.session.study.cases[-1].id
    panel.session.show(shown)
    panel.ui.startButton.click()
    assert panel.ui.outcomeLabel.text == ""
    assert "is running" in panel.ui.startButton.toolTip
    spin(lambda: panel.scene.refreshed, 120)

    files, step = panel.scene.refreshed[-1]
    assert step % 6 == 0
    assert all(shown in path.parts for path in files.values())
    assert set(files) == {"final", "prototype"}
    os.kill(panel.last(Started).pid, signal.SIGKILL)
    spin(lambda: panel.outcomes, 20)
    assert "SIGKILL" in panel.ui.outcomeLabel.text
    assert panel.ui.resumeButton.enabled
    assert panel.ui.startButton.enabled
    assert not panel.ui.stopButton.enabled
    saved = panel.last(CheckpointSaved).step

    panel.ui.resumeButton.click()
    spin(lambda: len(panel.outcomes) == 2, 120)
    assert panel.last(Started).resumed_from >= saved
    assert panel.outcomes[1].kind == "finished", panel.outcomes[1]
    assert "is finished: mean Dice" in panel.ui.outcomeLabel.text
    assert not panel.ui.resumeButton.enabled
    assert panel.session.round.name == "001-supervised"
    assert panel.curveRows("losses") == len({event.step for event in panel.events if isinstance(event, StepDone)})
    assert panel.curveRows("dice") == 2
    assert panel.ui.startBox.findData(str(panel.session.round.model)) == 1
    assert "validation Dice" in panel.ui.logEdit.plainText

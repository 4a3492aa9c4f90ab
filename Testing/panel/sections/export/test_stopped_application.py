"""A model that is applied to many images can be stopped and goes on later, also in another Slicer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo

from ...run.fake_worker import UNTIL_STOPPED, fake_python
from ..desk import finished_study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
# What a real worker does is in Testing/engine/worker/test_many_predictions.py.
STOPS = UNTIL_STOPPED.replace("step=7", "step=0")
FINISHES = """
import shutil
shutil.copytree(folder.path.parent / "001-supervised" / "predictions", folder.path / "predictions")
folder.write_result({}); say(Finished(result={}))
"""


@pytest.fixture
def openPanel(
    makePanel: Callable[[], Any], services: Any, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Callable[[str], Any]:
    """A panel on a study with a model, whose workers do what a script says."""
    shutil.copytree(finished_study(tmp_path_factory), tmp_path / "study")

    def make(script: str) -> Any:
        panel = makePanel()
        (tmp_path / script[1:4]).mkdir()
        services.pythonExecutable = fake_python(tmp_path / script[1:4], script)
        train = panel.sections["Train"]
        train.probe.devices = (DeviceInfo("cpu", "Processor", 4 * 10**9, 8 * 10**9, 100.0, False),)
        train._showDevices()
        panel.session.open_study(tmp_path / "study")
        return panel

    return make


def test_a_stopped_application_goes_on_in_another_slicer(openPanel: Any, dialogs: Any, spin: Any) -> None:
    panel = openPanel(STOPS)
    train, export = panel.sections["Train"].ui, panel.sections["Export"].ui
    dialogs.answer("chooseItems", [2, 3])
    export.applyCasesButton.click()
    train.stopButton.click()
    spin(lambda: not panel.runner.running, 20)
    assert train.outcomeLabel.text == "002 (model applied) was stopped. Resume continues where it was."
    assert export.exportMessage.text == "Stopped; it can be resumed."
    assert train.resumeButton.enabled
    panel.cleanup()

    again = openPanel(FINISHES)
    train, export = again.sections["Train"].ui, again.sections["Export"].ui
    assert again.session.round.name == "001-supervised"
    assert "002 (model applied) is not complete" in again.ui.guidanceLabel.text
    train.resumeButton.click()
    assert again.runner.folder.name == "002-predict"
    spin(lambda: not again.runner.running, 20)
    assert again.session.round.name == "002-predict"
    assert "see 002 (model applied) under Review" in export.exportMessage.text
    assert not train.resumeButton.enabled

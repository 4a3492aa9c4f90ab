"""Rounds on another machine from the real panel: what tests with a workstation and with a cluster share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer

from SemiSupervisedSegLib.jobs.events import Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.widget import Panel
from SemiSupervisedSegLib.phantom.generate import generate_study

from .loop_driver import LoopDriver, choose

UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"
SETTINGS = {
    "steps": 300,
    "labeled_batch": 1,
    "unlabeled_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 20,
    "validation_interval": 100,
    "preview_interval": 20,
    "threads": 1,
}
SECONDS = 240


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return generate_study(
        tmp_path / "study", labeled=1, unlabeled=1, external=0, validation=1, size=(32, 32, 4), difficulty=0.0
    ).folder


@pytest.fixture
def open_panel(far: Any, slice_views: Any, services: Any, spin: Callable[..., None]) -> Iterator[Any]:
    """Makes a panel, as a Slicer that was just started; the one before is closed."""
    loops: list[LoopDriver] = []

    def close() -> None:
        panel = loops.pop().panel
        panel.cleanup()
        # Its parameter node would open the study again.
        slicer.mrmlScene.Clear(0)
        panel.widget.deleteLater()

    def make() -> LoopDriver:
        if loops:
            close()
        loops.append(LoopDriver(Panel(UI, slicer.mrmlScene, services), spin))
        return loops[-1]

    yield make
    if loops:
        loops[-1].panel.runner.kill()
        close()


def set_up(loop: LoopDriver) -> None:
    train = loop.panel.sections["Train"]
    choose(train.ui.methodBox, "mean_teacher")
    choose(train.ui.presetBox, "quick")
    for name, value in SETTINGS.items():
        train.form.settings.rows[name].tryValue(value)
    train.form.refresh()


def resumed_at(folder: JobFolder) -> list[int | None]:
    return [event.resumed_from for event in folder.events()[0] if isinstance(event, Started)]


def look(loop: LoopDriver, folder: JobFolder, shown: str) -> None:
    """The results are in the scene and the curves are complete."""
    nodes = loop.panel.scene.nodes
    assert nodes.final is not None
    assert nodes.prototype is not None
    assert "(step " not in nodes.final.GetName()
    assert sorted(loop.rankedCases()) == sorted(case.id for case in loop.session.study.cases)
    tables = {
        node.GetAttribute("SemiSupervisedSeg.Curves"): node.GetTable().GetNumberOfRows()
        for node in slicer.util.getNodesByClass("vtkMRMLTableNode")
    }
    steps = {event.step for event in folder.events()[0] if isinstance(event, StepDone)}
    assert max(steps) == SETTINGS["steps"]
    assert tables == {"losses": len(steps), "dice": 3}
    assert (folder.predictions / shown / "final.seg.nrrd").is_file()
    assert not list(folder.path.glob("remote.json"))

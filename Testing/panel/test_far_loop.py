"""A round on another machine, over a real sshd, from the button Start of the real panel to results in the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer

from SemiSupervisedSegLib.jobs.events import Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.run.process_tree import kill_tree
from SemiSupervisedSegLib.panel.widget import Panel
from SemiSupervisedSegLib.phantom.generate import generate_study

from ..jobs.remote.ssh_server import FarMachine, far_machine
from .far import no_network
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
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarMachine]:
    with far_machine(tmp_path / "far", monkeypatch) as machine:
        machine.install_links()
        yield machine


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return generate_study(
        tmp_path / "study", labeled=1, unlabeled=1, external=0, validation=1, size=(32, 32, 4), difficulty=0.0
    ).folder


@pytest.fixture
def open_panel(far: FarMachine, slice_views: Any, services: Any, spin: Callable[..., None]) -> Iterator[Any]:
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


def add_machine(loop: LoopDriver, far: FarMachine) -> None:
    ui = loop.ui("Train")
    ui.machineNameEdit.setText("box")
    ui.machineHostEdit.setText("far")
    ui.machineFolderEdit.setText(str(far.folder))
    loop.click(ui.addMachineButton)
    choose(ui.placeBox, "box")
    ui.placeBox.activated.emit(ui.placeBox.currentIndex)


def set_up(loop: LoopDriver) -> None:
    train = loop.panel.sections["Train"]
    choose(train.ui.methodBox, "mean_teacher")
    choose(train.ui.presetBox, "quick")
    for name, value in SETTINGS.items():
        train.form.settings.rows[name].tryValue(value)
    train.form.refresh()


def resumed_at(folder: JobFolder) -> list[int | None]:
    return [event.resumed_from for event in folder.events()[0] if isinstance(event, Started)]


def test_a_round_elsewhere_is_one_of_this_computer(open_panel, far, study, spin, dialogs):
    loop = open_panel()
    loop.session.open_study(study)
    shown = loop.session.study.cases[-1].id
    loop.show(shown)
    set_up(loop)
    with no_network():
        add_machine(loop, far)
        folder = loop.start()
        loop.waitForPreview(SECONDS)
        assert loop.ui("Train").stageLabel.text
        assert "step" in loop.ui("Train").detailLabel.text
        loop.click(loop.ui("Train").stopButton)
        spin(lambda: not loop.panel.runner.running, SECONDS)
        assert "was stopped at step" in loop.ui("Train").outcomeLabel.text
        (there,) = far.jobs()
        loop.click(loop.ui("Train").resumeButton)
        spin(lambda: len(resumed_at(folder)) == 2, SECONDS)
        # Slicer is closed and opened.
        loop = open_panel()
        assert not loop.panel.runner.running
        loop.session.open_study(study)
        loop.show(shown)
        assert loop.panel.runner.folder.path == folder.path
        loop.waitForRound(folder, SECONDS)
    before, after = resumed_at(folder)
    assert before is None
    assert 0 < after < SETTINGS["steps"]
    look(loop, folder, shown)
    assert not there.exists()
    assert dialogs.messages == []


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


def test_results_that_were_not_fetched_are_fetched_when_the_study_is_opened(open_panel, far, study, spin):
    loop = open_panel()
    loop.session.open_study(study)
    set_up(loop)
    add_machine(loop, far)
    folder = loop.start()
    spin(lambda: resumed_at(folder), SECONDS)
    # The network is gone and then the computer switched off, and the machine trains on.
    far.wire.refuse = 10_000
    far.wire.cut()
    spin(lambda: "Trying again" in loop.ui("Train").stageLabel.text, SECONDS)
    (there,) = far.jobs()
    spin(lambda: list(there.glob("rounds/*/result.json")), SECONDS)
    loop = open_panel()
    kill_tree(folder.status().pid)
    spin(lambda: not folder.is_running(), 30)
    assert not folder.is_finished()
    far.wire.refuse = 0
    loop.session.open_study(study)
    assert loop.session.facts().run.machine == "box"
    loop.waitForRound(folder, SECONDS)
    assert not there.exists()

"""A round on another machine, over a real sshd, from the button Start of the real panel to results in the scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from SemiSupervisedSegLib.panel.run.process_tree import kill_tree

from ..jobs.remote.ssh_server import FarMachine, far_machine
from .far import no_network
from .loop_driver import LoopDriver, choose
from .rounds_elsewhere import SECONDS, SETTINGS, look, open_panel, resumed_at, set_up, study

__all__ = ["open_panel", "study"]


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarMachine]:
    with far_machine(tmp_path / "far", monkeypatch) as machine:
        machine.install_links()
        yield machine


def add_machine(loop: LoopDriver, far: FarMachine) -> None:
    ui = loop.ui("Train")
    ui.machineNameEdit.setText("box")
    ui.machineHostEdit.setText("far")
    ui.machineFolderEdit.setText(str(far.folder))
    loop.click(ui.addMachineButton)
    choose(ui.placeBox, "box")
    ui.placeBox.activated.emit(ui.placeBox.currentIndex)


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


@pytest.mark.slow
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


def test_the_fold_of_machines_comes_into_view(open_panel, study, spin):
    loop = open_panel()
    loop.session.open_study(study)
    ui = loop.ui("Train")
    loop.panel.widget.resize(360, 400)
    loop.panel.widget.show()
    loop.panel.goTo("Train")
    spin(ui.methodBox.isVisible)
    assert ui.addMachineButton.visibleRegion().isEmpty()
    ui.placeBox.activated.emit(ui.placeBox.count - 1)
    spin(lambda: not ui.addMachineButton.visibleRegion().isEmpty())

"""Methods compared on another machine, from the button of the real panel to the filled table: sshd and Slurm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from SemiSupervisedSegLib.jobs.comparison import Comparison, comparisons
from SemiSupervisedSegLib.jobs.events import StageStarted, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest
from SemiSupervisedSegLib.panel.logic.comparing import choices
from SemiSupervisedSegLib.panel.logic.disk_usage import Part

from ..jobs.remote.slurm_server import slurm
from ..jobs.remote.ssh_server import far_machine
from .far import no_network
from .loop_driver import LoopDriver, choose
from .rounds_elsewhere import SECONDS, SETTINGS, open_panel, study

__all__ = ["open_panel", "study"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
METHODS = ("supervised", "mean_teacher")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The machine `box`, over ssh or with Slurm, as the user has added it."""
    if request.param == "ssh":
        with far_machine(tmp_path / "far", monkeypatch) as machine:
            machine.install_links()
            add_machine(machine.machine)
            yield machine.folder
        return
    with slurm(tmp_path / "cluster", monkeypatch):
        add_machine(Machine("box", "", str(tmp_path / "there"), SlurmRequest(30)))
        yield tmp_path / "there"


def set_up(loop: LoopDriver, steps: int, at_once: int) -> None:
    """Let the user choose two methods, tiny trainings, and the machine."""
    train, ui = loop.panel.sections["Train"], loop.ui("Train")
    ui.compareButton.setProperty("collapsed", False)
    choose(ui.placeBox, "box")
    ui.placeBox.activated.emit(ui.placeBox.currentIndex)
    choose(ui.methodBox, "mean_teacher")
    choose(ui.presetBox, "quick")
    for name, value in (SETTINGS | {"steps": steps}).items():
        train.form.settings.rows[name].tryValue(value)
    train.form.refresh()
    for row, choice in enumerate(choices(loop.session.study)):
        isTicked = choice.method in METHODS
        ui.compareMethodsList.item(row).setCheckState(qt.Qt.Checked if isTicked else qt.Qt.Unchecked)
    ui.compareAtOnceBox.setValue(at_once)


def learning(comparison: Comparison) -> list[JobFolder]:
    """The trainings that have done a step."""
    jobs = [training.folder for training in comparison.trainings()]
    return [job for job in jobs if any(isinstance(event, StepDone) for event in job.events()[0])]


def resumed(comparison: Comparison) -> list[int]:
    """The steps at which trainings went on."""
    jobs = [training.folder for training in comparison.trainings()]
    starts = [event for job in jobs for event in job.events()[0] if isinstance(event, Started)]
    return [event.resumed_from for event in starts if event.resumed_from]


@pytest.mark.parametrize("far", ["ssh", "slurm"], indirect=True)
def test_a_comparison_elsewhere_from_start_to_the_table(open_panel, far, study, spin, dialogs):
    loop = open_panel()
    loop.session.open_study(study)
    ui = loop.ui("Train")
    with no_network():
        set_up(loop, SETTINGS["steps"], at_once=2)
        assert "2 methods × 2 folds = 4 trainings on box, 2 at the same time" in ui.compareCostLabel.text
        loop.click(ui.compareStartButton)
        (comparison,) = comparisons(study)
        spin(lambda: learning(comparison), SECONDS)
        spin(lambda: ui.stageLabel.text == "Trainings on box, 2 at the same time", SECONDS)
        loop.click(ui.stopButton)
        assert "being saved on box" in ui.stageLabel.text
        spin(lambda: not loop.panel.runner.running, SECONDS)
        assert ui.outcomeLabel.text == "001-compare was stopped on box. Resume it under Compare methods."
        assert list((far / "jobs").iterdir())
        # It goes on there, whatever is chosen for the next round.
        choose(ui.placeBox, "")
        ui.placeBox.activated.emit(ui.placeBox.currentIndex)
        loop.click(ui.compareResumeButton)
        assert ui.placeBox.currentData == "box"
        spin(lambda: resumed(comparison), SECONDS)
        # Slicer is closed and opened.
        loop = open_panel()
        loop.session.open_study(study)
        assert loop.panel.runner.folder.path == comparison.path
        assert loop.session.facts().run.machine == "box"
        spin(lambda: not loop.panel.runner.running, 2 * SECONDS)
    ui = loop.ui("Train")
    assert "001-compare is finished" in ui.outcomeLabel.text
    table = comparison.table()
    assert [(row.method, row.finished, row.cases) for row in table.methods] == [(name, 2, 2) for name in METHODS]
    assert [row.p_value is None for row in table.methods] == [row.is_best for row in table.methods]
    assert ui.compareTable.rowCount == 2
    assert list((far / "jobs").iterdir()) == []
    assert dialogs.messages == []


@pytest.mark.parametrize("far", ["ssh"], indirect=True)
def test_a_stopped_comparison_is_deleted_there_as_well(open_panel, far, study, spin, dialogs):
    loop = open_panel()
    loop.session.open_study(study)
    set_up(loop, 20_000, at_once=1)
    loop.click(loop.ui("Train").compareStartButton)
    (comparison,) = comparisons(study)
    spin(lambda: learning(comparison), SECONDS)
    titles = [event.title for event in comparison.events()[0] if isinstance(event, StageStarted)]
    assert titles[0] == "Connecting to box"
    assert "Supervised, fold 1 of 2: Sending images to box" in titles
    loop.click(loop.ui("Train").stopButton)
    spin(lambda: not loop.panel.runner.running, SECONDS)
    disk = loop.panel.sections["Disk"]
    loop.panel.folds["Disk"].setProperty("collapsed", False)
    spin(lambda: [item for item in disk._items if item.part is Part.COMPARISON], 30)
    row = next(number for number, item in enumerate(disk._items) if item.part is Part.COMPARISON)
    disk.ui.diskTable.selectRow(row)
    dialogs.answer("confirm", True)
    loop.click(disk.ui.deleteRoundButton)
    spin(lambda: "is deleted on box" in disk.ui.elsewhereLabel.text, SECONDS)
    assert comparisons(study) == []
    assert list((far / "jobs").iterdir()) == []


@pytest.mark.parametrize("far", ["ssh"], indirect=True)
def test_a_machine_without_the_program_is_said_at_once(open_panel, far, study, spin):
    (far / "venv" / "bin" / "python").unlink()
    loop = open_panel()
    loop.session.open_study(study)
    set_up(loop, 4, at_once=2)
    ui = loop.ui("Train")
    with no_network():
        loop.click(ui.compareStartButton)
        spin(lambda: not loop.panel.runner.running, 60)
    assert "SemiSupervisedSeg is not installed on box. Press Set up in the panel" in ui.outcomeLabel.text
    assert ui.compareResumeButton.enabled

"""Other machines in section Train: the list, the test of a connection, and rounds of machines that do not answer."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine, load_machines
from SemiSupervisedSegLib.jobs.remote.record import keep_record, machine_of, new_record
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest
from SemiSupervisedSegLib.study.model import Study

from ....jobs.remote.ssh_server import FarMachine, far_machine
from ...far import HANG, hanging, no_network, pretend
from .train_panel import TINY, TrainPanel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarMachine]:
    with far_machine(tmp_path / "far", monkeypatch) as machine:
        machine.install_links()
        yield machine


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes connections and never answers."""
    pretend(tmp_path / "far", monkeypatch, HANG)


@pytest.fixture
def panel(services: Any, scene: Any, study: Study) -> Iterator[Callable[[], TrainPanel]]:
    panels = []

    def make() -> TrainPanel:
        panels.append(TrainPanel(services))
        panels[-1].useDevice("cpu")
        panels[-1].session.open_study(study.folder)
        return panels[-1]

    yield make
    for item in panels:
        item.close()


def add(panel: TrainPanel, name: str = "box", host: str = "far", folder: str = "there") -> None:
    panel.ui.machineNameEdit.setText(name)
    panel.ui.machineHostEdit.setText(host)
    panel.ui.machineFolderEdit.setText(folder)
    panel.ui.addMachineButton.click()


def choose(panel: TrainPanel, name: str) -> None:
    """Choose a place as a user does, which Qt tells apart from a program."""
    box = panel.ui.placeBox
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex)


def places(panel: TrainPanel) -> list[str]:
    return [panel.ui.placeBox.itemText(index) for index in range(panel.ui.placeBox.count)]


def lines(panel: TrainPanel) -> list[str]:
    return panel.ui.machineLabel.text.split("\n")


def test_machines_are_added_chosen_and_removed(panel, silent, dialogs):
    shown = panel()
    assert places(shown) == ["This computer", "Another machine..."]
    assert not shown.ui.testMachineButton.enabled
    assert not shown.ui.addMachineButton.enabled
    add(shown, host="-oProxyCommand=evil")
    assert "cannot be used" in shown.ui.machineLabel.text
    assert load_machines() == ()
    add(shown)
    assert load_machines() == (Machine("box", "far", "there"),)
    assert places(shown) == ["This computer", "box (SSH)", "Another machine..."]
    # Who adds a machine wants to use it.
    assert shown.ui.placeBox.currentText == "box (SSH)"
    assert shown.ui.deviceBox.isHidden()
    assert "without names" in shown.ui.placeLabel.text
    # Methods are compared there as well.
    assert shown.ui.compareStartButton.enabled
    assert panel().section.form.place.machine == "box"
    dialogs.answer("confirm", False, True)
    shown.ui.removeMachineButton.click()
    assert len(load_machines()) == 1
    shown.ui.removeMachineButton.click()
    assert load_machines() == ()
    assert shown.section.form.place.machine == ""
    assert not shown.ui.deviceBox.isHidden()


def test_a_cluster_is_added_with_what_its_jobs_ask_for(panel, silent):
    shown = panel()
    ui = shown.ui
    assert ui.slurmPanel.isHidden()
    ui.slurmCheck.setChecked(True)
    assert not ui.slurmPanel.isHidden()
    ui.machineNameEdit.setText("cluster")
    assert "how long" in ui.addMachineButton.toolTip
    ui.slurmTimeEdit.setText("a day")
    ui.addMachineButton.click()
    assert "no duration" in ui.machineLabel.text
    ui.slurmTimeEdit.setText("1-00:00:00")
    ui.slurmPartitionEdit.setText("gpu")
    ui.slurmMemoryBox.setValue(16)
    ui.addMachineButton.click()
    (machine,) = load_machines()
    assert machine.is_here
    assert machine.slurm == SlurmRequest(1440, "gpu", cards=1, memory=16)
    assert ui.placeBox.currentText == "cluster (Slurm)"


def test_a_machine_is_changed_after_a_click_on_it(panel, silent):
    request = SlurmRequest(90, "gpu", "group", cards=2, cores=8, memory=32)
    for machine in (Machine("box", "far", "there"), Machine("cluster", "login", "scratch", request)):
        add_machine(machine)
    shown = panel()
    ui = shown.ui
    assert ui.addMachineButton.text == "Add machine"
    for row, machine in enumerate(load_machines()):
        ui.machinesList.setCurrentRow(row)
        ui.machinesList.clicked.emit(ui.machinesList.currentIndex())
        assert ui.slurmPanel.isHidden() == (machine.slurm is None)
        assert ui.addMachineButton.text == "Change machine"
        ui.addMachineButton.click()
        assert machine in load_machines()
        assert ui.addMachineButton.text == "Add machine"
    ui.machinesList.clicked.emit(ui.machinesList.currentIndex())
    assert ui.slurmTimeEdit.text == "1:30:00"
    ui.slurmMemoryBox.setValue(64)
    ui.addMachineButton.click()
    assert load_machines()[-1].slurm == dataclasses.replace(request, memory=64)
    assert len(load_machines()) == 2


def test_the_last_place_leads_to_where_machines_are_added(panel, silent):
    shown = panel()
    assert shown.ui.machinesButton.collapsed
    choose(shown, shown.ui.placeBox.itemData(1))
    assert not shown.ui.machinesButton.collapsed
    assert shown.ui.placeBox.currentText == "This computer"


def test_neither_packages_nor_a_device_of_this_computer_are_needed(panel, silent):
    shown = panel()
    shown.session.set_facts(missing_packages=("torch",), device_problem="No device.")
    assert not shown.ui.startButton.enabled
    add(shown)
    choose(shown, "box")
    shown.session.set_facts(missing_packages=("torch",), device_problem="No device.")
    assert shown.ui.startButton.enabled
    assert shown.ui.installPanel.isHidden()


def test_each_check_is_a_line(panel, far, spin):
    shown = panel()
    add(shown, folder=str(far.folder))
    shown.ui.testMachineButton.click()
    assert lines(shown) == ["Testing the connection to box..."]
    assert not shown.ui.testMachineButton.enabled
    spin(lambda: shown.ui.testMachineButton.enabled, 120)
    found = lines(shown)
    assert found[0] == "box is ready."
    titles = ("Host key and login", "Python", "Free disk", "SemiSupervisedSeg", "PyTorch")
    assert [line.split(":")[0] for line in found[1:]] == [f"✓ {title}" for title in titles]


def test_an_unknown_host_key_is_said_and_not_accepted(panel, far, spin):
    known = far.home / "known_hosts"
    known.write_text("")
    shown = panel()
    add(shown, folder=str(far.folder))
    shown.ui.testMachineButton.click()
    spin(lambda: shown.ui.testMachineButton.enabled, 60)
    (said,) = lines(shown)[1:]
    assert said.startswith("✗ Host key and login: You have not connected to box before")
    assert "Connect once in a terminal with: ssh far, and compare the key" in said
    assert known.read_text() == ""


def test_setting_up_asks_first_and_says_why_it_failed(panel, far, spin, dialogs):
    shown = panel()
    add(shown, folder=str(far.folder))
    dialogs.answer("confirm", False, True)
    shown.ui.setUpMachineButton.click()
    assert shown.ui.testMachineButton.enabled
    (far.home / "known_hosts").write_text("")
    shown.ui.setUpMachineButton.click()
    spin(lambda: shown.ui.testMachineButton.enabled, 60)
    assert lines(shown)[0] == "box is not ready yet."
    assert lines(shown)[1].startswith("✗ You have not connected to box before")
    assert str(far.folder) in dialogs.asked[0]


def test_a_python_that_cannot_be_started_is_said(panel, silent, services, spin):
    shown = panel()
    add(shown)
    services.pythonExecutable = "/nowhere/python"
    shown.ui.testMachineButton.click()
    spin(lambda: shown.ui.testMachineButton.enabled, 20)
    assert "could not be started" in lines(shown)[1]


def test_a_machine_that_never_answers_keeps_nobody_waiting(panel, silent, spin, dialogs):
    shown = panel()
    shown.section.form.chooseMethod("supervised")
    shown.set(**TINY)
    with no_network():
        add(shown)
        shown.ui.testMachineButton.click()
        spin(hanging, 60)
        # The test still waits for the machine, and everything else can be done.
        choose(shown, "box")
        shown.ui.startButton.click()
        spin(lambda: len(hanging()) == 2, 60)
        assert shown.session.facts().run.machine == "box"
        assert "runs" not in shown.ui.outcomeLabel.text
        assert not shown.ui.removeMachineButton.enabled
        shown.ui.cancelMachineButton.click()
        spin(lambda: shown.ui.testMachineButton.enabled, 20)
        spin(lambda: len(hanging()) == 1, 20)
        shown.ui.stopButton.click()
        assert shown.ui.stopButton.text == "Leave it"
        dialogs.answer("confirm", True)
        shown.ui.stopButton.click()
        spin(lambda: shown.outcomes, 20)
    spin(lambda: not hanging(), 20)
    assert "It is no longer followed" in shown.ui.outcomeLabel.text
    # It was to be stopped: only the user follows it again.
    facts = shown.session.facts()
    assert (facts.run, facts.resumable, facts.resumable_on) == (None, "001-supervised", "box")
    assert machine_of(shown.session.rounds()[0]) == "box"
    shown.ui.resumeButton.click()
    assert shown.runner.machine == "box"
    assert not shown.session.rounds()[0].cancel_requested()


def test_a_round_that_was_left_running_is_followed_when_its_study_is_opened(panel, silent, study, spin):
    add_machine(Machine("box", "far", "there"))
    job = next_round(study.folder, "supervised")
    job.write_spec(make_training_spec(study, "supervised", "quick", TINY, device="auto"))
    keep_record(job, new_record(job, "box"), is_sent=True)
    job.write_status("running")
    shown = panel()
    assert shown.runner.folder.path == job.path
    assert shown.session.facts().run.machine == "box"
    assert shown.ui.placeBox.currentText == "box (SSH)"
    spin(hanging, 60)
    # A second Slicer sees that the first one follows it.
    other = panel()
    assert other.runner.externallyStarted
    assert other.runner.machine == "box"
    shown.runner.kill()
    spin(lambda: shown.outcomes and other.outcomes, 20)
    assert shown.session.facts().resumable_on == "box"


def test_a_machine_that_was_removed_ends_the_round_with_a_sentence(panel, silent, study, spin):
    job = next_round(study.folder, "supervised")
    job.write_spec(make_training_spec(study, "supervised", "quick", TINY, device="auto"))
    keep_record(job, new_record(job, "gone"), is_sent=True)
    shown = panel()
    spin(lambda: shown.outcomes, 60)
    assert "There is no machine 'gone'" in shown.ui.outcomeLabel.text
    assert not shown.runner.running
    assert shown.ui.resumeButton.enabled

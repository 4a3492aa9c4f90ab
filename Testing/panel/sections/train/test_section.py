"""The section Train with workers that do what a test says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.events import Failed, Started
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.model_folder import BUNDLE_VERSION, METADATA, OWN_SECTION, ModelDescription
from SemiSupervisedSegLib.jobs.records import to_plain
from SemiSupervisedSegLib.jobs.remote.record import new_record
from SemiSupervisedSegLib.jobs.rounds import next_round, rounds
from SemiSupervisedSegLib.panel.logic.devices import read_devices
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Study

from ...run.fake_worker import FAILS, FINISHES, UNTIL_STOPPED
from .train_panel import TrainPanel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")


def test_the_job_is_what_the_form_says(make_panel: Callable[[str], TrainPanel], spin: Any) -> None:
    panel = make_panel(FINISHES)
    panel.section.form.chooseMethod("mean_teacher")
    panel.section.form.choosePreset("quick")
    panel.set(steps=7, learning_rate=0.25)
    panel.session.show("case-002")
    panel.ui.startButton.click()
    spec = panel.session.rounds()[-1].spec()
    assert (spec.method, spec.preset, spec.device) == ("mean_teacher", "quick", "cpu")
    assert spec.settings == {"steps": 7, "learning_rate": 0.25}
    assert spec.preview_cases[0] == "case-002"
    assert spec.warm_start is None
    spin(lambda: panel.outcomes, 20)
    assert panel.ui.outcomeLabel.text.startswith("001-mean_teacher is finished")


def test_the_next_round_builds_on_a_model_when_told_to(
    make_panel: Callable[[str], TrainPanel], spin: Any, study: Study
) -> None:
    description = ModelDescription(study.structures, "supervised", {}, {})
    metadata = json.dumps({OWN_SECTION: {"bundle_version": BUNDLE_VERSION, **to_plain(description)}})
    saves = f"file = folder.model / {METADATA!r}; file.parent.mkdir(parents=True); file.write_text({metadata!r})\n"
    panel = make_panel(saves + FINISHES)
    panel.ui.startButton.click()
    spin(lambda: panel.outcomes, 20)
    assert panel.section.form.start.model is None
    panel.section.offerNextRound()
    assert panel.section.form.start.model == panel.session.round.model
    panel.ui.startButton.click()
    assert panel.session.rounds()[-1].spec().warm_start == str(rounds(study.folder)[0].model)
    assert not panel.ui.startButton.enabled
    assert "is running" in panel.ui.startButton.toolTip


def test_a_validation_that_stays_flat_is_said(make_panel: Callable[[str], TrainPanel], spin: Any) -> None:
    flat = """
for number in range(1, 8):
    step(number)
    say(Validated(step=number, dice={"chamber": 0.5}, mean_dice=0.5 if number > 1 else 0.6))
"""
    panel = make_panel(flat + UNTIL_STOPPED)
    panel.ui.startButton.click()
    spin(lambda: len(panel.events) == 15, 20)
    assert panel.ui.detailLabel.text.endswith("validation Dice 0.50, not risen since step 1")


def test_stop_then_end_now(make_panel: Callable[[str], TrainPanel], spin: Any, dialogs: Any) -> None:
    panel = make_panel("time.sleep(100)")
    panel.ui.startButton.click()
    spin(lambda: panel.events, 20)
    panel.ui.stopButton.click()
    assert panel.ui.stopButton.text == "End now"
    dialogs.answer("confirm", False)
    panel.ui.stopButton.click()
    assert panel.runner.running
    dialogs.answer("confirm", True)
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)
    assert panel.ui.stopButton.text == "Stop"
    assert panel.ui.resumeButton.enabled


def test_stop_and_resume(make_panel: Callable[[str], TrainPanel], spin: Any) -> None:
    panel = make_panel(UNTIL_STOPPED)
    panel.ui.startButton.click()
    spin(lambda: panel.events, 20)
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)
    assert panel.ui.outcomeLabel.text == "001-self_training was stopped at step 7. Resume continues from there."
    assert panel.ui.resumeButton.enabled
    panel.ui.resumeButton.click()
    assert panel.runner.running
    assert [folder.name for folder in panel.session.rounds()] == ["001-self_training"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (FAILS, "Too big. Lower it."),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("sys.exit('no disk')", "no disk"),
        ("shutil = __import__('shutil'); shutil.rmtree(folder.path)", "is gone"),
    ],
)
def test_after_an_error_everything_can_be_used_again(
    make_panel: Callable[[str], TrainPanel], spin: Any, script: str, words: str
) -> None:
    panel = make_panel(script)
    panel.ui.startButton.click()
    spin(lambda: panel.outcomes, 20)
    assert words in panel.ui.outcomeLabel.text
    assert panel.ui.startButton.enabled
    assert not panel.ui.stopButton.enabled
    assert words in panel.ui.logEdit.plainText
    panel.section.view.copyLog()
    import qt

    assert words in qt.QApplication.clipboard().text()


def test_a_program_that_is_not_there(make_panel: Callable[[str], TrainPanel], services: Any, spin: Any) -> None:
    panel = make_panel(FINISHES)
    services.pythonExecutable = "/nowhere/python"
    panel.ui.startButton.click()
    spin(lambda: panel.outcomes, 10)
    assert "could not be started" in panel.ui.outcomeLabel.text
    panel.ui.detachedCheck.setChecked(True)
    panel.ui.resumeButton.click()
    assert "could not be started" in panel.ui.outcomeLabel.text
    assert panel.ui.startButton.enabled


def test_nothing_is_trained_in_a_study_that_is_gone(
    make_panel: Callable[[str], TrainPanel], study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel(FINISHES)
    shutil.rmtree(study.folder)
    panel.ui.startButton.click()
    assert "any more" in panel.ui.outcomeLabel.text
    assert not panel.runner.running
    assert not study.folder.exists()


def test_another_panel_finds_the_run_and_its_end(
    make_panel: Callable[[str], TrainPanel], services: Any, spin: Any, study: Study
) -> None:
    panel = make_panel("with folder.lock():\n    step(1)" + UNTIL_STOPPED.replace("\n", "\n    "))
    panel.ui.startButton.click()
    spin(lambda: len(panel.events) == 2, 20)
    panel.section.cleanup()
    again = TrainPanel(services)
    again.useDevice("cpu")
    again.session.open_study(study.folder)
    assert again.runner.running
    assert again.ui.progressPanel.isVisibleTo(again.widget)
    spin(lambda: again.curveRows("losses") == 1, 10)
    again.ui.stopButton.click()
    spin(lambda: again.outcomes, 20)
    again.close()
    third = TrainPanel(services)
    third.session.open_study(study.folder)
    assert third.session.facts().resumable == "001-self_training"
    third.close()


def test_a_round_on_another_machine_is_not_resumed_here(make_panel: Callable[[str], TrainPanel], study: Study) -> None:
    folder = next_round(study.folder, "supervised")
    folder.write_spec(make_training_spec(study, "supervised", "quick", {}))
    panel = make_panel(FINISHES)
    assert panel.session.facts().resumable == folder.name
    panel.session.close_study()
    new_record(folder, "box")
    panel.session.open_study(study.folder)
    assert panel.session.facts().resumable == ""


def test_a_round_that_failed_while_nobody_looked(make_panel: Callable[[str], TrainPanel], study: Study) -> None:
    folder = next_round(study.folder, "supervised")
    folder.write_spec(make_training_spec(study, "supervised", "quick", {}))
    folder.append_event(Started("x", 1))
    folder.append_event(Failed("Too big.", "Lower it."))
    folder.write_status("failed", message="Too big. Lower it.")
    panel = make_panel(FINISHES)
    assert panel.ui.outcomeLabel.text == "001-supervised: Too big. Lower it."
    folder.write_status("running")
    panel.session.close_study()
    assert panel.ui.outcomeLabel.text == ""
    panel.session.open_study(study.folder)
    assert "broke off" in panel.ui.outcomeLabel.text


def test_the_study_may_be_closed_during_a_run(make_panel: Callable[[str], TrainPanel], spin: Any, scene: Any) -> None:
    panel = make_panel(UNTIL_STOPPED)
    panel.ui.startButton.click()
    spin(lambda: panel.events, 20)
    scene.Clear(0)
    panel.session.close_study()
    assert panel.ui.stopButton.enabled
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)
    assert "was stopped" in panel.ui.outcomeLabel.text


def test_unsaved_annotations_are_asked_about(make_panel: Callable[[str], TrainPanel], dialogs: Any) -> None:
    panel = make_panel(FINISHES)
    panel.scene.unsaved = ["case-001"]
    dialogs.answer("confirm", False)
    panel.ui.startButton.click()
    assert panel.session.rounds() == []


def test_missing_packages_are_named_and_installed(
    make_panel: Callable[[str], TrainPanel], packaging: Any, services: Any
) -> None:
    packaging.missing = {"monai"}
    panel = make_panel(FINISHES)
    assert panel.ui.installPanel.isVisibleTo(panel.widget)
    assert "not installed yet: monai." in panel.ui.installLabel.text
    assert "monai" in panel.ui.startButton.toolTip
    packaging.declines = True
    panel.ui.installButton.click()
    assert "did not agree" in panel.ui.outcomeLabel.text
    packaging.declines = False
    panel.ui.installButton.click()
    assert not panel.ui.installPanel.isVisibleTo(panel.widget)
    assert panel.ui.startButton.enabled


def test_a_device_that_cannot_be_found_is_a_reason(
    make_panel: Callable[[str], TrainPanel], spin: Any, services: Any
) -> None:
    panel = make_panel(FINISHES)
    services.pythonExecutable = "/nowhere/python"
    panel.section.form.showDevices(())
    panel.section.lookForDevices()
    assert "Looking for" in panel.ui.startButton.toolTip
    spin(lambda: not panel.section.probe.running, 10)
    assert "could not be started" in panel.ui.startButton.toolTip


def test_nothing_starts_before_there_is_something_to_train_on(
    make_panel: Callable[[str], TrainPanel], spin: Any, services: Any
) -> None:
    panel = make_panel(FINISHES)
    answer = '{"devices": [{"name": "cpu", "title": "Old processor", "free": 1, "total": 2, "speed": 1, "dtype": '
    services.pythonExecutable = shutil.which("sleep")
    panel.section.form.showDevices(())
    panel.section.lookForDevices()
    # As when the user leaves the module and comes back while the question is not answered yet.
    panel.section.enter()
    assert "Looking for" in panel.ui.startButton.toolTip
    assert not panel.ui.startButton.enabled
    panel.section.probe.cancel()
    panel.section.probe.devices = read_devices(answer + '"float32", "problem": "It is too old."}]}')
    panel.section.probe.done.emit()
    assert panel.ui.startButton.toolTip == "Old processor: It is too old."
    panel.ui.startButton.click()
    assert panel.session.rounds() == []


def test_the_runner_refuses_a_second_round(make_panel: Callable[[str], TrainPanel], spin: Any, study: Study) -> None:
    panel = make_panel(UNTIL_STOPPED)
    panel.ui.startButton.click()
    with pytest.raises(UserError, match="is running"):
        panel.runner.start(rounds(study.folder)[0])

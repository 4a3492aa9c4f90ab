"""The form of a round: what it offers, what it says, and the settings that the user changed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ctk
import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue, resolve
from SemiSupervisedSegLib.jobs.events import StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.model_folder import BUNDLE_VERSION, METADATA, OWN_SECTION, WEIGHTS, ModelDescription
from SemiSupervisedSegLib.jobs.records import to_plain
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo
from SemiSupervisedSegLib.panel.logic.proposal import Proposal
from SemiSupervisedSegLib.panel.sections.train.expectation import Expectation
from SemiSupervisedSegLib.planning.round_plan import write_round_plan
from SemiSupervisedSegLib.study.model import Structure
from SemiSupervisedSegLib.study.store import load_study

from .train_panel import TrainPanel, tiny_study

CARD = DeviceInfo("cuda:0", "NVIDIA A100", 30 * 10**9, 40 * 10**9, 50_000.0, True)
BROKEN = DeviceInfo("cuda:1", "NVIDIA A100", 0, 0, 0.0, True, "out of memory")
PROCESSOR = DeviceInfo("cpu", "Processor (2 cores)", 4 * 10**9, 8 * 10**9, 100.0, False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study to be copied."""
    return tiny_study(tmp_path_factory.mktemp("made") / "study").folder


@pytest.fixture
def panel(services: Any, scene: Any, tmp_path: Path, made: Path) -> Iterator[TrainPanel]:
    panel = TrainPanel(services)
    panel.section.probe.devices = (PROCESSOR,)
    shutil.copytree(made, tmp_path / "study")
    panel.session.open_study(tmp_path / "study")
    yield panel
    panel.close()


@pytest.mark.parametrize("method", load_catalogue().methods)
def test_every_method_has_a_form_with_its_values(panel: TrainPanel, method: str) -> None:
    panel.section.form.chooseMethod(method)
    panel.section.form.choosePreset("quick")
    entry, rows = load_catalogue().method(method), panel.section.form.settings.rows
    assert panel.ui.methodLabel.text.startswith(entry.summary)
    assert list(rows) == [setting.name for setting in entry.settings]
    assert panel.section.form.settings.overrides() == {}
    fold = panel.ui.settingsContainer.findChildren(ctk.ctkCollapsibleButton)[-1]
    assert fold.collapsed
    shown = {name for name, row in rows.items() if not fold.isAncestorOf(row.editor)}
    assert shown == {"steps", "labeled_batch", "patch_size", "validation_interval", "preview_interval"}
    values = resolve(method, "quick", {}, 2)
    for name, row in rows.items():
        assert row.value == values[name], name
        assert row.setting.help in row.editor.toolTip
        if row.setting.unit:
            assert row.setting.unit in row.label.text


def test_a_changed_value_is_marked_kept_and_reset(panel: TrainPanel) -> None:
    form = panel.section.form
    form.chooseMethod("cu2l")
    form.choosePreset("quick")
    row = form.settings.rows["steps"]
    row.editor.setValue(1234)
    assert row.label.font.bold()
    assert panel.ui.advancedButton.text == "Advanced settings (1 changed)"
    assert panel.ui.resetButton.enabled
    form.choosePreset("standard")
    form.chooseMethod("cpcl")
    assert form.settings.overrides() == {"steps": 1234}
    form.settings.rows["steps"].resetButton.click()
    assert form.settings.overrides() == {}
    assert form.settings.rows["steps"].editor.value == 6000
    assert not form.settings.rows["steps"].label.font.bold()
    form.settings.rows["use_forward"].editor.setChecked(False)
    form.settings.rows["optimizer"].editor.setCurrentIndex(1)
    assert form.settings.overrides() == {"use_forward": False, "optimizer": "adam"}
    panel.ui.resetButton.click()
    assert form.settings.overrides() == {}
    assert not panel.ui.resetButton.enabled
    assert panel.ui.resetButton.toolTip == "You have changed no setting."


def test_changed_values_belong_to_the_study_that_was_open(panel: TrainPanel, tmp_path: Path) -> None:
    form = panel.section.form
    form.settings.rows["steps"].editor.setValue(20)
    panel.session.refresh_rounds()
    assert form.settings.overrides() == {"steps": 20}
    panel.session.open_study(tiny_study(tmp_path / "other").folder)
    assert form.settings.overrides() == {}
    finish_round(tmp_path / "other", "supervised", panel.session.study.structures)
    panel.session.close_study()
    panel.session.open_study(tmp_path / "other")
    assert (form.method, form.settings.overrides()) == ("supervised", {"steps": 40})


def test_what_is_not_allowed_is_taken_back_with_the_reason(panel: TrainPanel) -> None:
    row = panel.section.form.settings.rows["learning_rate"]
    before = row.editor.text
    row.editor.setText("11")
    row.editor.editingFinished.emit()
    assert row.editor.text == before
    assert "cannot be '11'" in row.editor.toolTip
    row.editor.setText("1e-3")
    row.editor.editingFinished.emit()
    assert row.value == 0.001
    size = panel.section.form.settings.rows["patch_size"]
    size.editor.setText("96×128")
    size.editor.editingFinished.emit()
    assert size.value == "96x128"


def test_the_released_code_brings_its_own_values(panel: TrainPanel) -> None:
    form = panel.section.form
    form.chooseMethod("cpcl")
    form.settings.rows["fidelity"].tryValue("released_code")
    form.refresh()
    assert form.settings.rows["steps"].value == 10000
    assert form.settings.overrides() == {"fidelity": "released_code"}
    form.chooseMethod("cu2l")
    assert form.settings.overrides() == {}


def test_devices_are_named_with_their_memory_and_the_processor_never_comes_unsaid(panel: TrainPanel) -> None:
    form = panel.section.form
    form.showDevices((CARD, BROKEN, PROCESSOR))
    assert (form.device, form.preset) == ("cuda:0", "standard")
    assert panel.ui.deviceBox.count == 2
    assert "NVIDIA A100: 30.0 GB of memory free." in panel.ui.estimateLabel.text
    panel.ui.deviceBox.setCurrentIndex(1)
    assert form.device == "cpu"
    assert "No graphics card is used" in panel.ui.estimateLabel.text
    form.showDevices((CARD, PROCESSOR))
    assert form.device == "cpu"
    form.showDevices((PROCESSOR,))
    assert form.preset == "quick"


def test_why_a_card_is_not_used_is_said_beside_the_processor(panel: TrainPanel) -> None:
    reason = "PyTorch 2.8.0+cpu is a build for processors only. Install a CUDA build of PyTorch."
    form, unusable = panel.section.form, DeviceInfo("cuda", "Graphics card", 0, 0, 0.0, False, reason)
    form.showDevices((PROCESSOR, unusable))
    assert (form.device, form.preset) == ("cpu", "quick")
    assert f"No graphics card is used, so training is much slower. Graphics card: {reason}" in (
        panel.ui.estimateLabel.text
    )
    form.showDevices((CARD, PROCESSOR, unusable))
    panel.ui.deviceBox.setCurrentIndex(0)
    assert "Graphics card:" not in panel.ui.estimateLabel.text


def test_a_training_that_does_not_fit_is_said_beforehand(panel: TrainPanel) -> None:
    panel.section.form.showDevices((CARD,))
    assert "more than is free" not in panel.ui.estimateLabel.text
    panel.set(labeled_batch=256, patch_size="1024x1024")
    assert "more than is free" in panel.ui.estimateLabel.text


def test_what_a_method_needs_and_lacks_is_said(panel: TrainPanel) -> None:
    panel.section.form.chooseMethod("cu2l")
    text = panel.ui.needsLabel.text
    assert "annotated images: 1;" in text
    assert "other sites: 0." in text
    assert "There are no images without annotation from other sites yet." in text
    panel.section.form.chooseMethod("mean_teacher")
    assert "There are no" not in panel.ui.needsLabel.text


def test_a_scene_remembers_method_and_preset(panel: TrainPanel) -> None:
    panel.section.form.chooseMethod("cpcl")
    panel.section.form.choosePreset("paper")
    remembered = panel.section.viewSettings()
    panel.section.form.chooseMethod("cu2l")
    panel.section.form.choosePreset("quick")
    panel.section.restoreView(remembered)
    assert (panel.section.form.method, panel.section.form.preset) == ("cpcl", "paper")
    panel.section.restoreView({"method": "unheard of"})
    assert panel.section.form.method == "cpcl"


def finish_round(folder: Path, method: str, structures: tuple[Structure, ...], steps: int = 40) -> JobFolder:
    """Write what a panel reads of a finished training: job, result, checkpoint, and the description of the model."""
    study = load_study(folder)
    made = next_round(folder, method)
    made.write_spec(make_training_spec(study, method, "quick", {"steps": steps}, device="cpu"))
    description = ModelDescription(structures, method, {}, {})
    content = {OWN_SECTION: {"bundle_version": BUNDLE_VERSION, **to_plain(description)}}
    for path, text in ((made.model / METADATA, json.dumps(content)), (made.last_checkpoint, "")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (made.model / WEIGHTS).parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(made.model / WEIGHTS, "w") as weights:
        weights.writestr("weights", "")
    made.write_result({"kind": "train", "steps": steps})
    return made


def test_a_round_can_start_from_another_study(panel: TrainPanel, made: Path, tmp_path: Path, dialogs: Any) -> None:
    shutil.copytree(made, tmp_path / "other")
    scar = Structure("scar", 9, (1, 2, 3))
    model = finish_round(tmp_path / "other", "supervised", (scar, *panel.session.study.structures[:1])).model
    box, form = panel.ui.startBox, panel.section.form
    assert [box.itemText(index) for index in range(box.count)] == ["scratch", "Another study or model..."]
    for chosen, start in ((None, None), (str(tmp_path / "study"), None), (str(tmp_path / "other"), model)):
        dialogs.answer("chooseFolder", chosen)
        box.setCurrentIndex(box.count - 1)
        assert form.start.model == start
    assert dialogs.messages == [
        f"There is no trained model in {tmp_path / 'study'}. Choose the folder of a study with a finished round, of a "
        "round, or of an exported model."
    ]
    assert box.currentText == "the model of other, 001-supervised"
    taken, new = (structure.name for structure in panel.session.study.structures)
    assert panel.ui.startLabel.text == (
        f"From the earlier model {taken} is taken over; {new} is new; scar is not used any more."
    )
    panel.session.refresh_rounds()
    assert form.start.model == model, "it stays chosen"
    box.setCurrentIndex(0)
    assert form.start.model is None
    assert not panel.ui.startLabel.text
    panel.session.close_study()
    assert box.count == 2


def test_the_form_shows_the_running_round(panel: TrainPanel) -> None:
    form, study = panel.section.form, panel.session.study
    earlier = finish_round(study.folder, "supervised", study.structures)
    panel.session.refresh_rounds()
    form.showDevices((CARD, PROCESSOR))
    form.chooseMethod("cu2l")
    form.choosePreset("standard")
    spec = make_training_spec(
        study, "mean_teacher", "quick", {"steps": 7}, device="cpu", warm_start=earlier.model, watched_case=None
    )
    form.showJob(spec)
    assert (form.method, form.preset, form.device) == ("mean_teacher", "quick", "cpu")
    assert form.settings.overrides() == {"steps": 7}
    assert form.start.model == earlier.model
    form.endJob()
    assert form.start.model is None


def test_earlier_rounds_correct_the_estimate_here_and_in_other_studies(panel: TrainPanel, services: Any) -> None:
    form, study = panel.section.form, panel.session.study
    panel.useDevice("cpu")
    form.choose(Proposal("supervised", "", "quick", {"steps": 40}))
    plan = form.expectation.plan("supervised", "quick", {"steps": 40})
    expected = form.expectation.estimate("supervised", plan, form.deviceInfo)
    made = finish_round(study.folder, "supervised", study.structures)
    write_round_plan(made, plan)
    made.append_event(StepDone("train", 10, 40, {}, 0.01, seconds_left=30 * 60.0))
    made.write_status("finished")
    panel.session.refresh_rounds()
    assert "about 40 minutes, as 001-supervised did" in panel.ui.estimateLabel.text
    form.chooseMethod("mean_teacher")
    assert "as 001-supervised did" not in panel.ui.estimateLabel.text
    assert "minutes" in panel.ui.estimateLabel.text, "without the earlier round it would be less than one"
    form.expectation.learn(made, form.deviceInfo)
    elsewhere = Expectation(services.settings).estimate("supervised", plan, form.deviceInfo)
    assert not elsewhere.like
    assert elsewhere.steps > 100 * expected.steps


def test_a_finished_round_offers_to_be_trained_for_longer(panel: TrainPanel, services: Any) -> None:
    ui, study = panel.ui, panel.session.study
    # What the worker does is tested elsewhere.
    services.pythonExecutable = shutil.which("false")
    panel.useDevice("cpu")
    assert not ui.continuePanel.isVisibleTo(panel.widget)
    finished = finish_round(study.folder, "supervised", study.structures)
    panel.session.refresh_rounds()
    assert ui.continuePanel.isVisibleTo(panel.widget)
    assert ui.continueLabel.text == "Train 001-supervised for longer, up to"
    assert (ui.continueSpin.minimum, ui.continueSpin.value) == (41, 80)
    ui.continueSpin.setValue(200)
    ui.continueButton.click()
    spec = panel.session.rounds()[-1].spec()
    assert (spec.method, spec.settings["steps"], spec.continues) == ("supervised", 200, True)
    assert spec.warm_start == str(finished.model)
    finished.last_checkpoint.unlink()
    panel.session.refresh_rounds()
    assert not ui.continuePanel.isVisibleTo(panel.widget)

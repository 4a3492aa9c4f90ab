"""Compare methods with repetitions, numbers of images and several trainings at the same time, here and elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import qt

from SemiSupervisedSegLib.jobs.comparison import Comparison, comparisons
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.jobs.events import Cancelled, StageStarted, TableUpdated
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine
from SemiSupervisedSegLib.jobs.remote.record import new_record
from SemiSupervisedSegLib.study.cases import change_cases
from SemiSupervisedSegLib.study.model import Role, Study

from ...run.fake_worker import UNTIL_STOPPED
from .train_panel import TrainPanel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
METHODS = ("supervised", "mean_teacher")
LISTENS = "(folder.path / 'arguments').write_text(' '.join(sys.argv[1:]))\nwith folder.lock():\n    step(1)"
WAITS = LISTENS + UNTIL_STOPPED.replace("\n", "\n    ")
FINISHES = "folder.write_result({'kind': 'compare'}); say(Finished(result={}))"


@pytest.fixture
def make_panel(
    make_panel: Callable[[str], TrainPanel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], TrainPanel]:
    """The section with the fold "Compare methods" open, and a machine that the user has added."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    add_machine(Machine("box", "far", "~/there"))

    def make(script: str) -> TrainPanel:
        panel = make_panel(script)
        panel.ui.compareButton.setProperty("collapsed", False)
        return panel

    return make


def run_on(panel: TrainPanel, machine: str) -> None:
    """Let the user choose where trainings run."""
    box = panel.ui.placeBox
    box.setCurrentIndex(box.findData(machine))
    box.activated.emit(box.currentIndex)


def new_elsewhere(study: Study, **changes: Any) -> Comparison:
    spec = make_comparison_spec(study, METHODS, "quick", {})
    return new_comparison(study, replace(spec, machine="box", **changes))


def test_repetitions_labels_and_trainings_at_the_same_time(make_panel: Any, spin: Any, study: Study) -> None:
    panel = make_panel(FINISHES)
    ui = panel.ui
    assert (ui.compareRepetitionsBox.value, ui.compareLabelsEdit.text, ui.compareAtOnceBox.value) == (1, "", 1)
    ui.compareRepetitionsBox.setValue(2)
    ui.compareLabelsEdit.setText(" 1 ")
    ui.compareAtOnceBox.setValue(3)
    words = "3 methods × 2 folds × 2 repetitions = 12 trainings, 3 at the same time, "
    assert ui.compareCostLabel.text.startswith(words)
    ui.compareStartButton.click()
    (comparison,) = comparisons(study.folder)
    spec = comparison.request()
    assert (spec.seeds, spec.label_counts, spec.at_once, spec.machine) == ((0, 1), (1,), 3, "")
    spin(lambda: panel.outcomes, 20)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1, few", "few is no number of images. Write numbers such as 2, 4, or nothing for all images."),
        ("２", "２ is no number of images. Write numbers such as 2, 4, or nothing for all images."),
        ("9" * 99, f"{'9' * 30}… is no number of images. Write numbers such as 2, 4, or nothing for all images."),
        ("-1", "-1 is no number of images. Write numbers such as 2, 4, or nothing for all images."),
        ("1, 2, 9", "There are no 2, 9 annotated images to learn from in every fold. Choose numbers from 1 to 1, or "),
        ("0", "There are no 0 annotated images to learn from in every fold. Choose numbers from 1 to 1, or annotate "),
    ],
)
def test_numbers_of_images_that_cannot_be_used(make_panel: Any, study: Study, text: str, reason: str) -> None:
    panel = make_panel(FINISHES)
    panel.ui.compareLabelsEdit.setText(text)
    assert not panel.ui.compareStartButton.enabled
    assert panel.ui.compareStartButton.toolTip.startswith(reason)
    assert panel.ui.compareCostLabel.text == panel.ui.compareStartButton.toolTip
    panel.ui.compareLabelsEdit.setText("")
    assert panel.ui.compareStartButton.enabled


def test_of_what_was_deleted_nothing_is_said(make_panel: Any, spin: Any, study: Study) -> None:
    panel = make_panel(WAITS)
    panel.ui.compareStartButton.click()
    spin(lambda: len(panel.events) == 2, 20)
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)
    panel.session.refresh_rounds()
    assert panel.ui.outcomeLabel.text == "001-compare was stopped. Resume it under Compare methods."
    shutil.rmtree(comparisons(study.folder)[0].path)
    panel.session.refresh_rounds()
    assert panel.ui.outcomeLabel.isHidden()


def test_what_the_user_writes_is_no_markup(make_panel: Any) -> None:
    panel = make_panel(FINISHES)
    panel.ui.compareLabelsEdit.setText("<b>2</b>")
    assert "&lt;b&gt;2&lt;/b&gt; is no number of images." in panel.ui.compareStartButton.toolTip
    assert panel.ui.compareCostLabel.text.startswith("<b>2</b> is no number of images.")
    assert panel.ui.compareCostLabel.textFormat == qt.Qt.PlainText


def test_without_enough_annotations_that_is_said_first(make_panel: Any, study: Study) -> None:
    panel = make_panel(FINISHES)
    panel.ui.compareLabelsEdit.setText("1")
    annotated = [case.id for case in study.cases if case.annotation is not None]
    panel.session.edit_study(lambda now: change_cases(now, annotated[1:], role=Role.IGNORED))
    assert panel.ui.compareCostLabel.text.startswith("The study has only one annotated image")
    assert panel.ui.compareStartButton.toolTip == panel.ui.compareCostLabel.text


def test_how_an_earlier_run_got_on_is_not_shown_of_the_next(make_panel: Any, spin: Any, study: Study) -> None:
    comparison = new_elsewhere(study)
    for event in (StageStarted("compare", "Trainings on box", 4), TableUpdated(3, 4, 120.0), Cancelled(0)):
        comparison.append_event(event)
    comparison.write_status("cancelled")
    panel = make_panel("with folder.lock():" + UNTIL_STOPPED.replace("\n", "\n    "))
    panel.ui.compareResumeButton.click()
    spin(lambda: len(panel.events) == 3, 20)
    assert panel.ui.stageLabel.text == "001-compare: getting ready"
    assert panel.ui.detailLabel.text == ""
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)


def test_on_another_machine_without_anything_here(make_panel: Any, spin: Any, study: Study) -> None:
    panel = make_panel(WAITS)
    panel.session.set_facts(missing_packages=("torch",), device_problem="No device.")
    assert "torch" in panel.ui.compareStartButton.toolTip
    run_on(panel, "box")
    panel.ui.compareAtOnceBox.setValue(12)
    assert panel.ui.compareStartButton.enabled
    assert "6 trainings on box, 12 at the same time. How long shows" in panel.ui.compareCostLabel.text
    panel.ui.compareStartButton.click()
    (comparison,) = comparisons(study.folder)
    spec = comparison.request()
    assert (spec.machine, spec.at_once, spec.device) == ("box", 12, "auto")
    assert (panel.runner.machine, panel.runner.detached) == ("box", True)
    spin(lambda: len(panel.events) == 2, 20)
    # Its worker runs here, and gives the trainings away.
    assert "--on" not in (comparison.path / "arguments").read_text().split()
    panel.ui.stopButton.click()
    assert panel.ui.stageLabel.text == "Stopping: what was learned is being saved on box."
    assert panel.ui.stopButton.text == "Leave it"
    spin(lambda: panel.outcomes, 20)
    assert panel.ui.outcomeLabel.text == "001-compare was stopped on box. Resume it under Compare methods."


def test_it_is_resumed_where_its_trainings_are(make_panel: Any, spin: Any, study: Study) -> None:
    comparison = new_elsewhere(study, at_once=7)
    comparison.write_status("cancelled")
    panel = make_panel(WAITS)
    assert not panel.runner.running
    panel.session.set_facts(missing_packages=("torch",))
    assert not panel.ui.compareStartButton.enabled
    assert panel.ui.compareResumeButton.toolTip == "Go on where it was stopped, on box"
    panel.ui.compareResumeButton.click()
    assert panel.runner.machine == "box"
    # What runs is shown, and where.
    assert panel.ui.placeBox.currentData == "box"
    assert panel.section.comparison.chosen.methods() == METHODS
    assert panel.ui.compareAtOnceBox.value == 7
    spin(lambda: len(panel.events) == 2, 20)
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)


def test_one_of_this_computer_is_not_resumed_without_its_packages(make_panel: Any, study: Study) -> None:
    new_comparison(study, make_comparison_spec(study, METHODS, "quick", {})).write_status("cancelled")
    panel = make_panel(FINISHES)
    run_on(panel, "box")
    panel.session.set_facts(missing_packages=("torch",))
    assert panel.ui.compareStartButton.enabled
    assert not panel.ui.compareResumeButton.enabled
    assert "torch" in panel.ui.compareResumeButton.toolTip


def test_what_was_left_running_elsewhere_is_followed_when_the_study_is_opened(
    make_panel: Any, spin: Any, study: Study
) -> None:
    comparison = new_elsewhere(study)
    comparison.write_status("running")
    new_record(comparison.trainings()[0].folder, "box")
    panel = make_panel(WAITS)
    assert panel.runner.folder.path == comparison.path
    assert panel.session.facts().run.machine == "box"
    spin(lambda: len(panel.events) == 2, 20)
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)


def test_what_never_began_elsewhere_is_left_to_the_user(make_panel: Any, study: Study) -> None:
    new_elsewhere(study)
    panel = make_panel(WAITS)
    assert not panel.runner.running
    assert panel.ui.compareResumeButton.enabled


def test_of_several_trainings_at_the_same_time_those_that_are_done_are_counted(
    make_panel: Any, spin: Any, study: Study
) -> None:
    script = (
        "say(StageStarted('compare', 'Trainings on box, 2 at the same time', 4), TableUpdated(3, 4, 120.0))\n"
        "with folder.lock():" + UNTIL_STOPPED.replace("\n", "\n    ")
    )
    panel = make_panel(script)
    panel.ui.compareStartButton.click()
    spin(lambda: len(panel.events) == 3, 20)
    assert panel.ui.stageLabel.text == "Trainings on box, 2 at the same time"
    assert panel.ui.detailLabel.text == "3 of 4 trainings, about 2 minutes left"
    assert panel.ui.progressBar.value == 750
    panel.ui.stopButton.click()
    assert panel.ui.stageLabel.text == "Stopping: what was learned is being saved."
    assert panel.ui.detailLabel.text == "3 of 4 trainings"
    spin(lambda: panel.outcomes, 20)


def test_a_narrow_panel_cuts_nothing_off(make_panel: Any, grab: Any, tmp_path: Path) -> None:
    panel = make_panel(FINISHES)
    run_on(panel, "box")
    ui = panel.ui
    grab(panel.window, tmp_path / "narrow.png", width=400)
    for name in ("FoldsCaption", "FoldsBox", "RepetitionsCaption", "RepetitionsBox", "LabelsCaption", "AtOnceCaption"):
        widget = getattr(ui, f"compare{name}")
        assert widget.width >= widget.sizeHint.width(), name
    assert ui.compareLabelsEdit.width > 100


def test_the_specification_of_a_study_that_is_closed_is_gone(make_panel: Any, study: Study) -> None:
    panel = make_panel(FINISHES)
    panel.ui.compareLabelsEdit.setText("1")
    panel.session.close_study()
    assert panel.ui.compareLabelsEdit.text == ""

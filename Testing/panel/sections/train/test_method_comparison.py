"""Compare methods in section Train, with workers that do what a test says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.comparison import Comparison, comparisons
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.jobs.comparison_table import ComparisonTable, MethodScores
from SemiSupervisedSegLib.jobs.records import to_plain
from SemiSupervisedSegLib.panel.logic.comparing import Extent, choices, cost_in_words
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.cases import change_cases
from SemiSupervisedSegLib.study.model import Role, Study

from ...run.fake_worker import UNTIL_STOPPED
from .train_panel import TrainPanel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
TABLE = ComparisonTable(
    (
        MethodScores("supervised", 2, 2, 6, 0.5, 0.4, 0.6, -0.2, -0.3, -0.1, 0.03, 61.0),
        MethodScores("mean_teacher", 2, 2, 6, 0.7, 0.6, 0.8, seconds=70.0),
    ),
    "mean_teacher",
)
FILLS = f"""
import json
(folder.path / "table.json").write_text(json.dumps({to_plain(TABLE)!r}))
say(TableUpdated(4, 4, 0.0))
"""
FINISHES = FILLS + "folder.write_result({'kind': 'compare'}); say(Finished(result={}))"


@pytest.fixture
def make_panel(make_panel: Callable[[str], TrainPanel]) -> Callable[[str], TrainPanel]:
    """The section with the fold "Compare methods" open."""

    def make(script: str) -> TrainPanel:
        panel = make_panel(script)
        panel.ui.compareButton.setProperty("collapsed", False)
        return panel

    return make


def tick(panel: TrainPanel, *methods: str) -> None:
    """Let the user tick these methods and no others."""
    import qt

    for choice, row in zip(choices(panel.session.study), range(panel.ui.compareMethodsList.count), strict=True):
        isTicked = choice.method in methods
        panel.ui.compareMethodsList.item(row).setCheckState(qt.Qt.Checked if isTicked else qt.Qt.Unchecked)


def shown(panel: TrainPanel) -> list[list[str]]:
    """The texts of the table."""
    table = panel.ui.compareTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def test_a_comparison_from_the_ticks_to_the_table(make_panel: Any, spin: Any, study: Study) -> None:
    panel = make_panel(FINISHES)
    assert panel.section.comparison.chosen.methods() == ("supervised", "self_training", "mean_teacher")
    assert panel.ui.compareFoldsBox.value == 2
    assert panel.ui.compareCostLabel.text.startswith("3 methods × 2 folds = 6 trainings, ")
    tick(panel, "supervised", "mean_teacher")
    assert not panel.ui.compareTable.isVisibleTo(panel.widget)
    panel.section.form.chooseMethod("mean_teacher")
    panel.section.form.choosePreset("quick")
    panel.set(steps=7, unlabeled_batch=1)
    panel.ui.compareStartButton.click()

    (comparison,) = comparisons(study.folder)
    spec = comparison.request()
    assert (spec.methods, spec.preset, spec.device) == (("supervised", "mean_teacher"), "quick", "cpu")
    assert spec.settings == {"steps": 7, "unlabeled_batch": 1}
    assert [training.folder.exists() for training in comparison.trainings()] == [True] * 4
    assert "Methods are being compared: 001-compare" in panel.ui.startButton.toolTip
    assert not panel.ui.compareStartButton.enabled
    spin(lambda: panel.outcomes, 20)

    assert [row[0] for row in shown(panel)] == ["Supervised", "Mean Teacher"]
    assert shown(panel)[0][1:] == ["0.50", "0.40–0.60", "0.03", "61 s"]
    assert "-0.200 [-0.300, -0.100]" in panel.ui.compareTable.item(0, 0).toolTip()
    assert panel.ui.compareLabel.text == "Mean Teacher has the highest mean Dice."
    assert "001-compare is finished" in panel.ui.outcomeLabel.text
    assert not panel.ui.compareResumeButton.isVisibleTo(panel.widget)
    assert panel.session.rounds() == []


def test_the_best_method_is_taken_over_for_the_next_round(make_panel: Any, study: Study) -> None:
    spec = make_comparison_spec(study, ("supervised", "mean_teacher"), "quick", {"steps": 7, "unlabeled_batch": 1})
    comparison = new_comparison(study, spec)
    comparison.write_table(TABLE)
    comparison.write_result({})
    panel = make_panel(FINISHES)
    panel.section.form.chooseMethod("supervised")
    panel.section.form.choosePreset("standard")
    panel.ui.compareBestButton.click()
    # What the user took over is not proposed away when the study is shown again.
    panel.session.refresh_rounds()
    form = panel.section.form
    assert (form.method, form.preset, form.settings.overrides()) == (
        "mean_teacher",
        "quick",
        {"steps": 7, "unlabeled_batch": 1},
    )
    panel.ui.startButton.click()
    job = panel.session.rounds()[-1].spec()
    assert (job.kind, job.method, job.settings) == ("train", "mean_teacher", {"steps": 7, "unlabeled_batch": 1})


def test_stopped_found_by_another_panel_and_resumed(make_panel: Any, spin: Any, services: Any, study: Study) -> None:
    script = "with folder.lock():\n    step(1)" + UNTIL_STOPPED.replace("\n", "\n    ")
    panel = make_panel(script)
    panel.ui.compareStartButton.click()
    spin(lambda: len(panel.events) == 2, 20)
    panel.section.cleanup()

    again = TrainPanel(services)
    again.useDevice("cpu")
    again.session.open_study(study.folder)
    assert again.runner.running
    assert isinstance(again.runner.folder, Comparison)
    assert not again.ui.compareButton.collapsed
    assert again.ui.progressPanel.isVisibleTo(again.widget)
    spin(lambda: again.events, 10)
    assert again.curveRows("losses") == 0
    again.ui.stopButton.click()
    spin(lambda: again.outcomes, 20)
    assert "001-compare was stopped. Resume it under Compare methods." in again.ui.outcomeLabel.text
    assert again.session.facts().resumable == ""
    again.close()

    third = make_panel(FINISHES)
    assert not third.runner.running
    assert third.ui.compareResumeButton.isVisibleTo(third.widget)
    third.ui.compareResumeButton.click()
    spin(lambda: third.outcomes, 20)
    assert len(shown(third)) == 2
    assert [item.name for item in comparisons(study.folder)] == ["001-compare"]
    third.close()


def test_reasons_why_nothing_can_be_compared(make_panel: Any, study: Study) -> None:
    panel = make_panel(FINISHES)
    tick(panel, "supervised")
    assert panel.ui.compareStartButton.toolTip == "Tick at least two methods."
    tick(panel, "supervised", "mean_teacher")
    assert panel.ui.compareStartButton.enabled
    annotated = [case.id for case in study.cases if case.annotation]
    panel.session.edit_study(lambda study: change_cases(study, annotated[1:], role="ignored"))
    assert not panel.ui.compareStartButton.enabled
    assert "only one annotated image" in panel.ui.compareStartButton.toolTip
    assert "only one annotated image" in panel.ui.compareCostLabel.text
    panel.session.close_study()
    assert panel.ui.compareMethodsList.count == 0
    assert panel.ui.compareCostLabel.text == ""


def test_unsaved_annotations_are_asked_about(make_panel: Any, dialogs: Any, study: Study) -> None:
    panel = make_panel(FINISHES)
    panel.scene.unsaved = ["case-001"]
    dialogs.answer("confirm", False)
    panel.ui.compareStartButton.click()
    assert comparisons(study.folder) == []


def test_the_table_of_an_earlier_day_and_a_failed_training(make_panel: Any, study: Study) -> None:
    comparison = new_comparison(study, make_comparison_spec(study, ("supervised", "mean_teacher"), "quick", {}))
    failed = MethodScores("mean_teacher", 2, 1, 1, 0.4, problem="Too big. Lower it.")
    comparison.write_table(ComparisonTable((MethodScores("supervised", 2, 2, 2, 0.5), failed)))
    panel = make_panel(FINISHES)
    assert [row[1:3] for row in shown(panel)] == [["0.50", "2 of 2"], ["0.40", "1 of 2"]]
    assert panel.ui.compareLabel.text == "Too big. Lower it."
    assert not panel.ui.compareBestButton.isVisibleTo(panel.widget)
    assert panel.ui.compareResumeButton.isVisibleTo(panel.widget)


def test_the_table_says_which_trainings_are_missing(make_panel: Any, study: Study) -> None:
    comparison = new_comparison(study, make_comparison_spec(study, ("supervised", "mean_teacher"), "quick", {}))
    missing = {"problem": "Too big. Lower it.", "missing": ("fold 2 of 2",)}
    rows = (
        MethodScores("supervised", 2, 2, 6, 0.5, labels=4, is_best=True),
        MethodScores("mean_teacher", 2, 1, 3, 0.4, p_value=0.25, labels=4, **missing),
    )
    comparison.write_table(ComparisonTable(rows, "supervised"))
    panel = make_panel(FINISHES)
    assert [row[0] for row in shown(panel)] == ["Supervised, 4 labeled", "Mean Teacher, 4 labeled"]
    assert [row[3] for row in shown(panel)] == ["", "0.25"]
    assert panel.ui.compareLabel.text == (
        "Supervised, 4 labeled has the highest mean Dice. Chance can explain the lead of the best method over Mean "
        "Teacher, 4 labeled. Missing, because they failed: Mean Teacher, 4 labeled (fold 2 of 2). Too big. Lower it."
    )
    assert panel.ui.compareResumeButton.isVisibleTo(panel.widget)


def test_what_cannot_be_trained_comes_last_with_its_reason(study: Study) -> None:
    offered = choices(study)
    proposed = ["supervised", "self_training", "mean_teacher"]
    assert [choice.method for choice in offered if choice.is_proposed] == proposed
    assert [choice.method for choice in offered[:3]] == proposed
    assert (offered[1].title, offered[1].is_recommended) == ("Confident self-training", True)
    assert offered[-1].method == "cu2l"
    assert "other sites" in offered[-1].problem


@pytest.mark.parametrize(
    ("extent", "seconds", "words"),
    [
        (Extent(2), [40.0, 70.0], "2 methods × 2 folds = 4 trainings, about 5 minutes."),
        (Extent(2), [40.0, None], "2 methods × 2 folds = 4 trainings. How long shows after the first one."),
        (Extent(2), [], "0 methods × 2 folds = 0 trainings. How long shows after the first one."),
        (
            Extent(2, 3, (1, 2), at_once=4),
            [40.0, 70.0],
            "2 methods × 2 folds × 3 repetitions × 2 numbers of labeled images = 24 trainings, 4 at the same time, "
            "about 8 minutes.",
        ),
        (
            Extent(2, 1, (1,), 10, "box"),
            [None, None],
            "2 methods × 2 folds = 4 trainings on box, 10 at the same time. How long shows after the first one.",
        ),
    ],
)
def test_what_a_comparison_takes_in_words(
    study: Study, extent: Extent, seconds: list[float | None], words: str
) -> None:
    assert cost_in_words(study, extent, seconds) == words


def test_the_folds_follow_what_is_annotated_until_the_user_chooses(make_panel: Any, study: Study) -> None:
    """A study begins without annotations."""
    panel = make_panel("")
    folder = generate_study(study.folder.parent / "more", labeled=5, unlabeled=1, external=0, size=(32, 32, 4)).folder

    def annotate(count: int) -> int:
        def change(now: Study) -> Study:
            annotated = [case for case in now.cases if case.annotation is not None]
            roles = dict.fromkeys((case.id for case in annotated), Role.IGNORED)
            roles |= dict.fromkeys((case.id for case in annotated[:count]), Role.LABELED)
            cases = tuple(replace(case, role=roles.get(case.id, case.role)) for case in now.cases)
            return replace(now, cases=cases)

        panel.session.edit_study(change)
        return panel.ui.compareFoldsBox.value

    panel.session.open_study(folder)
    assert [annotate(count) for count in (0, 2, 3, 5)] == [2, 2, 3, 4]
    panel.ui.compareFoldsBox.setValue(3)
    assert [annotate(count) for count in (4, 5, 2)] == [3, 3, 2]

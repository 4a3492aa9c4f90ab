"""The form shows what a comparison trains that was left running, and gives the user's own choice back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.panel.logic.proposal import Proposal
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.cases import change_cases
from SemiSupervisedSegLib.study.model import Role, Study

from ...run.fake_worker import UNTIL_STOPPED
from .train_panel import TrainPanel, tiny_study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
SETTINGS = {"steps": 7, "consistency_start": 3}


@pytest.fixture
def comparison(study: Study) -> Comparison:
    return new_comparison(study, make_comparison_spec(study, ("supervised", "mean_teacher"), "hour", SETTINGS))


@pytest.fixture
def panel(make_panel: Any, comparison: Comparison) -> Iterator[TrainPanel]:
    """The section as it is after Slicer was opened, without the worker of the comparison."""
    panel = make_panel("step(1)\nwith folder.lock():" + UNTIL_STOPPED.replace("\n", "\n    "))
    yield panel
    panel.runner.kill()


def choice(panel: TrainPanel) -> tuple[str, str, dict[str, Any]]:
    form = panel.section.form
    return form.method, form.preset, form.settings.overrides()


def stop(panel: TrainPanel, spin: Any) -> None:
    spin(lambda: panel.events, 20)
    panel.ui.stopButton.click()
    spin(lambda: panel.outcomes, 20)


def test_preset_and_changed_settings_are_shown_until_it_ends(panel: TrainPanel, spin: Any) -> None:
    form = panel.section.form
    form.choose(Proposal("supervised", "", "quick", {"steps": 40}))
    panel.ui.compareResumeButton.click()
    # Supervised has no teacher whose setting could be shown.
    assert choice(panel) == ("mean_teacher", "hour", SETTINGS)
    assert panel.ui.advancedButton.text == "Advanced settings (2 changed)"
    assert not panel.ui.presetBox.enabled
    panel.session.refresh_rounds()
    assert choice(panel)[1:] == ("hour", SETTINGS)
    stop(panel, spin)
    assert choice(panel) == ("supervised", "quick", {"steps": 40})
    # It is the user's choice still, which no proposal replaces.
    panel.session.refresh_rounds()
    assert choice(panel) == ("supervised", "quick", {"steps": 40})


def test_what_was_proposed_is_proposed_again(panel: TrainPanel, spin: Any) -> None:
    proposed = choice(panel)
    panel.ui.compareResumeButton.click()
    assert choice(panel)[1:] == ("hour", SETTINGS)
    stop(panel, spin)
    assert choice(panel) == proposed


def test_what_the_user_decides_meanwhile_stays(panel: TrainPanel, spin: Any) -> None:
    panel.ui.compareResumeButton.click()
    panel.section.form.choose(Proposal("supervised", "", "standard", {"steps": 9}))
    stop(panel, spin)
    assert choice(panel) == ("supervised", "standard", {"steps": 9})


def test_it_is_shown_again_when_its_study_is_opened_again(
    panel: TrainPanel, study: Study, spin: Any, tmp_path: Path
) -> None:
    other = tiny_study(tmp_path / "other")
    panel.ui.detachedCheck.setChecked(True)
    panel.ui.compareResumeButton.click()
    panel.session.open_study(other.folder)
    assert choice(panel)[2] == {}
    panel.session.open_study(study.folder)
    assert choice(panel) == ("mean_teacher", "hour", SETTINGS)
    assert panel.section.comparison.chosen.methods() == ("supervised", "mean_teacher")
    stop(panel, spin)
    assert choice(panel)[2] == {}


def test_the_choice_in_one_study_is_not_given_back_in_another(panel: TrainPanel, spin: Any, tmp_path: Path) -> None:
    panel.section.form.choose(Proposal("supervised", "", "quick", {"steps": 40}))
    panel.ui.detachedCheck.setChecked(True)
    panel.ui.compareResumeButton.click()
    panel.session.open_study(tiny_study(tmp_path / "other").folder)
    shown = choice(panel)
    stop(panel, spin)
    assert choice(panel) == shown


def test_the_folds_follow_the_annotations_again(panel: TrainPanel, spin: Any, tmp_path: Path) -> None:
    study = generate_study(tmp_path / "more", labeled=5, unlabeled=1, external=0, validation=0, size=(32, 32, 4))
    panel.session.open_study(study.folder)
    annotated = [case.id for case in study.cases if case.annotation is not None]
    panel.session.edit_study(lambda now: change_cases(now, annotated[2:], role=Role.IGNORED))
    assert panel.ui.compareFoldsBox.value == 2
    panel.ui.compareStartButton.click()
    stop(panel, spin)
    panel.session.edit_study(lambda now: change_cases(now, annotated, role=Role.LABELED))
    assert panel.ui.compareFoldsBox.value == 4

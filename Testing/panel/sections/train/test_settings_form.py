"""Rows of settings are written when they change, since a choice in Train refreshes all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.panel.sections.train import expectation
from SemiSupervisedSegLib.panel.sections.train.settings_form import SettingRow
from SemiSupervisedSegLib.planning import orientation

from .train_panel import TrainPanel, tiny_study


@pytest.fixture
def panel(services: Any, scene: Any, tmp_path: Path) -> Iterator[TrainPanel]:
    panel = TrainPanel(services)
    panel.session.open_study(tiny_study(tmp_path / "study").folder)
    yield panel
    panel.close()


def test_a_refresh_plans_nothing_again_and_writes_what_changed(
    panel: TrainPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = panel.section.form
    steps, patch = (form.settings.rows[name] for name in ("steps", "patch_size"))
    patch.editor.setText("nonsense")
    patch.editor.editingFinished.emit()
    assert patch.editor.text != "nonsense"
    assert "nonsense" in patch.editor.toolTip
    written = []
    monkeypatch.setattr(SettingRow, "_display", lambda row, problem="": written.append(row.setting.name))
    monkeypatch.setattr(expectation, "expected_plan", None)
    form.refresh()
    # What was wrong with it is said until then.
    assert written == ["patch_size"]
    steps.tryValue(steps.value + 1)
    assert written == ["patch_size", "steps"]


def test_another_preset_is_planned_without_computing_axes_again(
    panel: TrainPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = panel.section.form
    form.choosePreset("standard")
    before = form.settings.rows["steps"].value
    monkeypatch.setattr(orientation.sitk, "DICOMOrientImageFilter", None)
    form.choosePreset("quick")
    assert form.settings.rows["steps"].value < before

"""A tiny study, and the section Train on it with workers that do what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.study.model import Study

from ...run.fake_worker import fake_python
from .train_panel import TrainPanel, tiny_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return tiny_study(tmp_path / "study")


@pytest.fixture
def make_panel(services: Any, scene: Any, study: Study, tmp_path: Path) -> Iterator[Callable[[str], TrainPanel]]:
    panels = []

    def make(script: str) -> TrainPanel:
        services.pythonExecutable = fake_python(tmp_path, script)
        panel = TrainPanel(services)
        panels.append(panel)
        panel.useDevice("cpu")
        panel.session.open_study(study.folder)
        return panel

    yield make
    for panel in panels:
        panel.close()

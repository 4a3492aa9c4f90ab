"""The section Train on a study of its own, as the panel builds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo
from SemiSupervisedSegLib.panel.sections.train.section import TrainSection
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Study

from ...panel_parts import load, makeContext

# What makes a round of a tiny study last a second.
TINY = {
    "steps": 4,
    "labeled_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 1,
    "validation_interval": 2,
    "preview_interval": 2,
    "threads": 1,
}


def tiny_study(folder: Path) -> Study:
    """A labeled, a validation and an unlabeled case of four slices."""
    return generate_study(folder, labeled=1, unlabeled=1, external=0, validation=1, size=(32, 32, 4))


class RecordingScene:
    """Stands for the scene of cases, which has tests of its own."""

    def __init__(self) -> None:
        self.refreshed: list[tuple[dict[str, Path], int]] = []
        self.unsaved: list[str] = []

    def refreshPredictions(self, files: dict[str, Path], step: int) -> None:
        assert all(path.is_file() for path in files.values())
        self.refreshed.append((files, step))

    def unsavedCases(self, study: Study) -> list[str]:
        return self.unsaved


class TrainPanel:
    """The section with its session, runner and scene."""

    def __init__(self, services: Any) -> None:
        import qt

        self.widget = load("Train")
        self.window = qt.QWidget()
        layout = qt.QVBoxLayout(self.window)
        layout.addWidget(self.widget)
        layout.addStretch(1)
        self.scene = RecordingScene()
        context = makeContext(services, scene=self.scene)
        self.session, self.runner = context.session, context.runner
        self.section = TrainSection(self.widget, context)
        self.ui = self.section.ui
        self.events: list[Any] = []
        self.outcomes: list[Any] = []
        self.runner.events.connect(self.events.extend)
        self.runner.ended.connect(self.outcomes.append)

    def set(self, **values: Any) -> None:
        """Let the user change settings."""
        for name, value in values.items():
            self.section.form.settings.rows[name].tryValue(value)
        self.section.form.refresh()

    def useDevice(self, name: str) -> None:
        """Let the probe have found one device, without the seconds that it takes."""
        self.section.probe.devices = (DeviceInfo(name, "Processor (2 cores)", 4 * 10**9, 8 * 10**9, 100.0, False),)
        self.section._showDevices()

    def last(self, kind: type) -> Any:
        """The last event of a kind."""
        return [event for event in self.events if isinstance(event, kind)][-1]

    def curveRows(self, role: str) -> int:
        """How many points the curves of this role have."""
        import slicer

        nodes = slicer.util.getNodesByClass("vtkMRMLTableNode")
        own = [node for node in nodes if node.GetAttribute("SemiSupervisedSeg.Curves") == role]
        return own[0].GetTable().GetNumberOfRows() if own else 0

    def close(self) -> None:
        """End what runs, and the section."""
        self.runner.kill()
        self.section.cleanup()

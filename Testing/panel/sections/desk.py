"""A round made by a real worker, and the sections Review and Export over it, wired as the panel wires them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round, rounds
from SemiSupervisedSegLib.phantom.generate import generate_study

from ..panel_parts import load, makeContext

_SETTINGS = {
    "steps": 8,
    "labeled_batch": 2,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "preview_interval": 0,
    "threads": 1,
}

# The cases of the study.
LABELED, VALIDATION, FIRST, SECOND = "case-001", "case-002", "case-003", "case-004"
_made: list[Path] = []


def finished_study(factory: pytest.TempPathFactory) -> Path:
    """A study with a trained round, made once for all tests and not to be changed.

    The cases are in this order: case-001 labeled, case-002 validation, case-003 and case-004 unlabeled.
    """
    if not _made:
        _made.append(_make_study(factory.mktemp("finished") / "study"))
    return _made[0]


def _make_study(folder: Path) -> Path:
    study = generate_study(folder, labeled=1, unlabeled=2, external=0, validation=1, size=(32, 32, 4), difficulty=0.0)
    made = next_round(study.folder, "supervised")
    made.write_spec(make_training_spec(study, "supervised", "quick", _SETTINGS, device="cpu"))
    assert launch(made).wait(timeout=200) == 0, made.log.read_text()
    return study.folder


class Desk:
    """A copy of a study with a finished round, open in a session whose shown case is in the scene."""

    def __init__(self, finished: Path, folder: Path, services: Any) -> None:
        shutil.copytree(finished, folder)
        self.services, self.dialogs = services, services.dialogs
        self.context = makeContext(services)
        self.session, self.scene, self.runner = self.context.session, self.context.scene, self.context.runner
        self.editing = self.context.editing
        self.sections: list[Any] = []
        self.widget: Any = None
        self.folder = folder

    def section(self, kind: type, name: str) -> Any:
        """Make a section, and open the study when it is the first one."""
        self.widget = load(name)
        self.widget.setProperty("collapsed", False)
        section = kind(self.widget, self.context)
        self.sections.append(section)
        for signal in (self.session.case_changed, self.session.rounds_changed, self.session.study_changed):
            signal.connect(self._show_case)
        self.session.open_study(self.folder)
        return section

    @property
    def study(self) -> Any:
        return self.session.study

    @property
    def round(self) -> JobFolder:
        return rounds(self.folder)[0]

    def case(self, case_id: str) -> Any:
        return self.study.case(case_id)

    def close(self) -> None:
        for section in self.sections:
            section.cleanup()
        self.runner.stopFollowing()
        if self.widget is not None:
            self.widget.delete()

    def _show_case(self) -> None:
        study, case_id = self.session.study, self.session.case_id
        if study is None or case_id is None:
            self.scene.clear()
        else:
            self.scene.showCase(study, study.case(case_id), self.session.round)


def voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def prediction(desk: Desk, case_id: str, kind: str) -> Path:
    return desk.round.predictions / case_id / f"{kind}.seg.nrrd"

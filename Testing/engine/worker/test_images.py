"""Images of unusual sizes, spacings and types, and what a step reads."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.engine.training.loop import TrainingLoop
from SemiSupervisedSegLib.jobs.results import PREDICTION_FILES
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Modality, Study

from .rounds import EXIT_FINISHED, main, new_round, tiny_study

MAPS = tuple(PREDICTION_FILES.values())
STUDIES = {
    "one slice, smaller than the patch, fine, uint8": (
        "cu2l",
        {"size": (20, 27, 1), "spacing": (0.3, 0.3, 10.0), "structures": 1, "external": 1, "sites": 2},
        sitk.sitkUInt8,
        {},
    ),
    "thick slices, one side smaller than the patch, float": (
        "mean_teacher",
        {"size": (24, 51, 3), "spacing": (0.3, 0.4, 10.0), "structures": 3},
        sitk.sitkFloat32,
        {},
    ),
    "volumes smaller than the patch, coarse, 8 structures, CT": (
        "supervised",
        {"size": (21, 19, 18), "spacing": (10.0, 10.0, 10.0), "structures": 8, "modality": Modality.CT},
        sitk.sitkInt16,
        {"steps": 1, "patch_size": "32x32x32", "dimension": "3d"},
    ),
    "one slice in a volume's patch, uint8": (
        "supervised",
        {"size": (30, 18, 1), "spacing": (0.3, 10.0, 10.0), "structures": 2, "external": 1, "sites": 2},
        sitk.sitkUInt8,
        {"steps": 1, "patch_size": "auto", "dimension": "3d", "in_plane_scale": 0.5},
    ),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_every_case_gets_its_predictions_on_exactly_its_own_grid(study_folder: Path, kind: str) -> None:
    method, recipe, pixels, settings = STUDIES[kind]
    study = tiny_study(study_folder, **recipe)
    store_as(study, pixels)
    folder = new_round(study, method, settings)
    assert main(folder.path) == EXIT_FINISHED, folder.events()[0][-1]
    for case in study.cases:
        image = read_image(study.image_path(case))
        for name in MAPS:
            answer = read_image(folder.predictions / case.id / name)
            assert same_grid(answer, image), f"{name} of {case.id}"


def store_as(study: Study, pixels: int) -> None:
    """Write all images again with another type of voxels; those of 8 bits are scaled to 0..250."""
    for case in study.cases:
        path = str(study.image_path(case))
        image = sitk.ReadImage(path)
        if pixels == sitk.sitkUInt8:
            image = sitk.RescaleIntensity(image, 0, 250)
        sitk.WriteImage(sitk.Cast(image, pixels), path)


class OpenedFiles:
    """Which files the main thread opens while it is told to watch; a hook of the interpreter cannot be taken away."""

    def __init__(self) -> None:
        self.watching = False
        self.paths: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event == "open" and threading.current_thread() is threading.main_thread():
            self.paths.append(str(arguments[0]))


def test_a_step_opens_no_file(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_round(tiny_study(study_folder, external=1, sites=2), "cu2l", {"steps": 4})
    opened = OpenedFiles()
    steps = []
    train_step = TrainingLoop.train_step

    def watched(self: TrainingLoop, *arguments: object) -> float:
        steps.append(self.step)
        opened.watching = True
        try:
            return train_step(self, *arguments)
        finally:
            opened.watching = False

    monkeypatch.setattr(TrainingLoop, "train_step", watched)
    assert main(folder.path) == EXIT_FINISHED
    assert steps == [0, 1, 2, 3]
    # PyTorch imports parts of itself when they are used for the first time.
    assert [path for path in opened.paths if not path.endswith((".py", ".pyc"))] == []
    opened.watching = True
    (study_folder / "study.json").read_text(encoding="utf-8")
    opened.watching = False
    assert opened.paths[-1].endswith("study.json"), "the watch sees nothing, so the test proves nothing"

"""A structure that the labeled cases, or the validation cases, do not show: the round ends, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.engine.worker.worker import main
from SemiSupervisedSegLib.jobs.events import Validated, WarningRaised
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role, Study

from .rounds import EXIT_FINISHED, new_round, tiny_study

SETTINGS = {"validation_interval": 1}


def without_wall(study: Study, role: Role) -> None:
    """Annotate the cases of a role anew, as if none of them had a wall."""
    for case in study.cases_of(role):
        path = study.annotation_path(case)
        classes = read_annotation(path, study.structures, read_image(study.image_path(case)))
        write_segmentation(path, sitk.Mask(classes, classes == 1), study.structures)


@pytest.mark.parametrize("method", ["supervised", "self_training"])
def test_a_structure_that_no_labeled_case_shows(tmp_path: Path, method: str) -> None:
    study = tiny_study(tmp_path / "study")
    without_wall(study, Role.LABELED)
    folder = new_round(study, method, SETTINGS)
    assert main(folder.path) == EXIT_FINISHED
    events = folder.events()[0]
    (warning,) = [event.message for event in events if isinstance(event, WarningRaised) and "wall" in event.message]
    assert "labeled" in warning
    assert {name for event in events if isinstance(event, Validated) for name in event.dice} == {"chamber", "wall"}
    assert folder.report.is_file()


def test_a_structure_that_no_validation_case_shows_is_not_scored(tmp_path: Path) -> None:
    study = tiny_study(tmp_path / "study")
    without_wall(study, Role.VALIDATION)
    folder = new_round(study, settings=SETTINGS)
    assert main(folder.path) == EXIT_FINISHED
    validations = [event for event in folder.events()[0] if isinstance(event, Validated)]
    assert validations
    for event in validations:
        assert set(event.dice) == {"chamber"}
        assert event.mean_dice == event.dice["chamber"]
    result = folder.result()["mean_dice"]
    assert all(0 <= value <= 1 for value in result.values())

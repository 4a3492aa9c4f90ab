"""Rounds in studies that are moved, that grow, and whose models and cases find other uses later."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.commands import evaluate, predict
from SemiSupervisedSegLib.jobs.events import WarningRaised
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image, write_image
from SemiSupervisedSegLib.study.model import Role, Study
from SemiSupervisedSegLib.study.store import load_study, save_study

from .rounds import EXIT_FINISHED, main, new_round


def command(module: object, *arguments: object) -> int:
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    options = parser.parse_args([module.__name__.rpartition(".")[2], *map(str, arguments)])
    return options.run(options)


@pytest.fixture
def moved(finished: JobFolder, tmp_path: Path) -> JobFolder:
    """The finished round in a copy of its study, whose images lie in it."""
    shutil.copytree(finished.path.parents[1], tmp_path / "other computer" / "study", ignore=_others_of(finished))
    return JobFolder(tmp_path / "other computer" / "study" / "rounds" / finished.name)


def _others_of(finished: JobFolder):
    return lambda folder, names: [
        name for name in names if Path(folder).name == "rounds" and name not in (finished.name, "rounds.lock")
    ]


def with_role(study: Study, case_id: str, role: Role) -> Study:
    cases = tuple(dataclasses.replace(case, role=role) if case.id == case_id else case for case in study.cases)
    changed = dataclasses.replace(study, cases=cases)
    save_study(changed)
    return changed


def test_nothing_in_a_round_says_where_its_study_lies(finished: JobFolder) -> None:
    place = str(finished.path.parents[1]).encode()
    files = [path for path in finished.path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path.name for path in files if place in path.read_bytes()]


def test_a_moved_round_is_scored_and_resumed_from_its_own_files(moved: JobFolder) -> None:
    study = moved.path.parents[1]
    assert all(Path(case.image).is_relative_to(study) for case in moved.spec().cases)
    assert command(evaluate, study, "--round", moved.name) == 0
    (moved.path / "result.json").unlink()
    shutil.rmtree(moved.predictions)
    assert main(moved.path) == EXIT_FINISHED
    assert {path.name for path in moved.predictions.iterdir()} == {case.id for case in moved.spec().cases}


def test_a_warm_start_that_has_learned_a_validation_case_is_named(moved: JobFolder) -> None:
    study = load_study(moved.path.parents[1])
    (taught,) = (case.id for case in study.cases_of(Role.LABELED))
    (other,) = (case.id for case in study.cases_of(Role.VALIDATION))
    swapped = with_role(with_role(study, taught, Role.VALIDATION), other, Role.LABELED)
    folder = new_round(swapped, settings={"steps": 1}, warm_start=moved.model)
    assert main(folder.path) == EXIT_FINISHED
    (warning,) = {event.message for event in folder.events()[0] if isinstance(event, WarningRaised)}
    assert f"warm start from {moved.name}" in warning and taught in warning and other not in warning
    assert f"has learned the annotation of {taught}" in folder.report.read_text(encoding="utf-8")


def test_the_same_image_under_another_name_is_known_to_a_warm_start(moved: JobFolder) -> None:
    study = load_study(moved.path.parents[1])
    (taught,) = study.cases_of(Role.LABELED)
    (other,) = study.cases_of(Role.VALIDATION)
    shutil.copy(study.image_path(taught), study.image_path(other))
    folder = new_round(study, settings={"steps": 1}, warm_start=moved.model)
    main(folder.path)
    warnings = [event.message for event in folder.events()[0] if isinstance(event, WarningRaised)]
    assert any(f"has learned the annotation of {other.id}" in warning for warning in warnings)


def test_a_round_without_its_earlier_model_is_resumed(moved: JobFolder) -> None:
    study = load_study(moved.path.parents[1])
    folder = new_round(study, settings={"steps": 1}, warm_start=moved.model)
    assert main(folder.path) == EXIT_FINISHED
    (folder.path / "result.json").unlink()
    shutil.rmtree(moved.model)
    assert main(folder.path) == EXIT_FINISHED


def test_an_unfinished_round_is_named_before_it_is_scored(moved: JobFolder) -> None:
    study = moved.path.parents[1]
    folder = new_round(load_study(study))
    with pytest.raises(UserError, match=f"round {folder.name} is not finished"):
        command(evaluate, study, "--compare", moved.name, folder.name)


def test_prediction_goes_on_past_bad_images_and_lists_them(
    finished: JobFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = Path(finished.spec().cases[0].image)
    image = read_image(good)
    voxels = sitk.GetArrayFromImage(image).astype(np.float32)
    voxels[0, 0, 0] = np.nan
    damaged = sitk.GetImageFromArray(voxels)
    damaged.CopyInformation(image)
    images = [tmp_path / f"{name}.nrrd" for name in ("first", "damaged", "missing", "last")]
    write_image(images[0], image)
    sitk.WriteImage(damaged, str(images[1]))
    write_image(images[3], image)
    arguments = ["--model", finished.model, "--output", tmp_path / "out", "--device", "cpu"]
    assert command(predict, *images, *arguments) == 1
    assert {path.name for path in (tmp_path / "out" / "predictions").iterdir()} == {"first", "last"}
    errors = capfd.readouterr().err
    assert "damaged" in errors and "missing.nrrd" in errors and "2 of 4 could not be segmented" in errors
    before = (tmp_path / "out" / "predictions" / "first" / "summary.json").stat().st_mtime_ns
    assert command(predict, images[0], images[3], *arguments) == 0
    assert (tmp_path / "out" / "predictions" / "first" / "summary.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="There are results in"):
        command(predict, images[0], *arguments)


def test_a_model_folder_one_level_off_is_taken_and_another_leaves_nothing_behind(
    finished: JobFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = finished.spec().cases[0].image
    monkeypatch.setattr(predict, "run_job", lambda folder: {})
    for number, place in enumerate((finished.path, finished.model / "configs")):
        output = tmp_path / f"out{number}"
        assert command(predict, image, "--model", place, "--output", output, "--device", "cpu") == 0
        assert JobFolder(output).spec().model == str(finished.model)
    with pytest.raises(UserError, match="predictions does not contain a trained model"):
        command(predict, image, "--model", finished.predictions, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_memory_order_of_a_round_is_kept(moved: JobFolder) -> None:
    file = moved.path / "plan.json"
    content = json.loads(file.read_text())
    assert content.pop("memory_order") == "channels_last"
    (moved.path / "result.json").unlink()
    file.write_text(json.dumps(content | {"memory_order": "diagonal"}))
    assert main(moved.path) != EXIT_FINISHED
    assert "plan.json" in moved.events()[0][-1].message
    # Older programs always trained channels-last.
    file.write_text(json.dumps(content))
    assert main(moved.path) == EXIT_FINISHED
    assert json.loads(file.read_text())["memory_order"] == "channels_last"

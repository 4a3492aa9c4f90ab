from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import pytest

from SemiSupervisedSegLib.commands import predict, train
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_prediction_spec, make_training_spec
from SemiSupervisedSegLib.jobs.model_folder import BUNDLE_VERSION, METADATA, OWN_SECTION, WEIGHTS, ModelDescription
from SemiSupervisedSegLib.jobs.records import to_plain
from SemiSupervisedSegLib.jobs.rounds import next_round, rounds
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Study

from .conftest import STRUCTURES


def run(module: object, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    options = parser.parse_args(arguments)
    return options.run(options)


def test_the_spec_freezes_the_study(study: Study) -> None:
    spec = make_training_spec(study, "cu2l", "quick", {"steps": "5", "use_stability": "no"}, seed=3)
    assert spec.settings == {"steps": 5, "use_stability": False}
    assert [(case.id, case.role.value, case.external) for case in spec.cases] == [
        ("a", "labeled", False),
        ("b", "validation", False),
        ("c", "unlabeled", False),
        ("e", "unlabeled", True),
    ]
    assert all(Path(case.image).is_absolute() and Path(case.image).exists() for case in spec.cases)
    assert spec.preview_cases[0] == "b"
    assert make_training_spec(study, "cu2l", "quick", {}, watched_case="e").preview_cases == ("e", "b", "c")
    assert {"torch", "monai", "python", "semi-supervised-seg"} <= set(spec.versions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "No method was chosen"),
        (("--method", "cu2l", "--set", "steps"), "sets nothing"),
        (("--method", "cu2l", "--set", "stepz=4"), "Did you mean steps"),
        (("--method", "cu2l", "--set", "steps=0"), "from 1 to"),
        (("--method", "cu2l", "--device", "gpu"), "no device named 'gpu'"),
        (("--method", "cu2l", "--seed", "-1"), "seed -1"),
        (("--method", "cu2l", "--warm-start", "1"), "no round '1'"),
        (("--resume", "1"), "no round '1'"),
        (("--resume", "1", "--method", "cu2l"), "settings it began with"),
        (("--resume", "1", "--steps", "5"), "number of steps that it began with"),
        (("--continue", "1"), "not said how long"),
        (("--continue", "1", "--steps", "5"), "no round '1'"),
        (("--continue", "1", "--steps", "5", "--set", "seed=1"), "settings it began with"),
        (("--method", "cu2l", "--warm-start", "."), "no trained model in"),
        (("--method", "cu2l", "--steps", "0"), "from 1 to"),
    ],
)
def test_what_cannot_be_is_refused_before_a_round_is_made(
    study: Study, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(train, "train", str(study.folder), *arguments)
    assert rounds(study.folder) == []


def test_a_running_or_complete_round_is_not_resumed(study: Study) -> None:
    folder = next_round(study.folder, "cu2l")
    folder.write_spec(make_training_spec(study, "cu2l", "quick", {}))
    with folder.lock(), pytest.raises(UserError, match="is running"):
        run(train, "train", str(study.folder), "--resume", "1")
    folder.write_status("finished")
    folder.write_result({})
    with pytest.raises(UserError, match="is complete"):
        run(train, "train", str(study.folder), "--resume", "1")


def make_model(folder: Path) -> Path:
    """Make the files by which a model is recognised."""
    description = ModelDescription(STRUCTURES, "cu2l", {}, {})
    content = {OWN_SECTION: {"bundle_version": BUNDLE_VERSION, **to_plain(description)}}
    for name in (METADATA, WEIGHTS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).write_text(json.dumps(content))
    with zipfile.ZipFile(folder / WEIGHTS, "w") as weights:
        weights.writestr("weights", "")
    return folder


def test_images_of_the_same_name_are_different_cases(study: Study, tmp_path: Path) -> None:
    images = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        images.append(tmp_path / name / "scan.nrrd")
        images[-1].symlink_to(study.image_path(study.case("a")))
    spec = make_prediction_spec("new scans", images, make_model(tmp_path / "model"))
    assert [case.id for case in spec.cases] == ["scan", "scan-2", "scan-3"]


def test_predictions_need_a_model_an_image_and_a_new_folder(study: Study, tmp_path: Path) -> None:
    image, model, output = study.image_path(study.case("a")), tmp_path / "model", tmp_path / "out"
    with pytest.raises(UserError, match="no model"):
        run(predict, "predict", str(image), "--model", str(model), "--output", str(output))
    model.mkdir()
    with pytest.raises(UserError, match="does not contain a trained model"):
        run(predict, "predict", str(image), "--model", str(model), "--output", str(output))
    make_model(model)
    with pytest.raises(UserError, match=r"missing\.nrrd"):
        run(predict, "predict", str(tmp_path / "missing.nrrd"), "--model", str(model), "--output", str(output))
    with pytest.raises(UserError, match=r"annotation\.seg\.nrrd is a segmentation and not an image"):
        run(
            predict,
            "predict",
            str(study.annotation_path(study.case("a"))),
            "--model",
            str(model),
            "--output",
            str(output),
        )
    assert not output.exists()
    JobFolder(output).write_spec(make_training_spec(study, "cu2l", "quick", {}))
    with pytest.raises(UserError, match="results in"):
        run(predict, "predict", str(image), "--model", str(model), "--output", str(output))

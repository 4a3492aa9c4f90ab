from __future__ import annotations

import dataclasses
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from SemiSupervisedSegLib.engine.training.checkpoint import VERSION
from SemiSupervisedSegLib.engine.worker.reporter import Reporter
from SemiSupervisedSegLib.jobs.events import Failed
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_prediction_spec
from SemiSupervisedSegLib.jobs.round_key import round_key
from SemiSupervisedSegLib.study.model import Role

from .rounds import EXIT_FAILED, EXIT_FINISHED, assert_fails_with, contents, main, new_round, tiny_study

CHECKPOINT = Path("checkpoints", "last.pt")


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.target,)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 8
    file.write_bytes(data)


def change(file: Path, name: str, value: object) -> None:
    torch.save({**torch.load(file, weights_only=True), name: value}, file)


def change_optimizer(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    states = next(iter(content["optimizers"].values()))["optimizer"]["state"]
    next(iter(states.values()))["momentum_buffer"] = torch.zeros(3)
    torch.save(content, file)


DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "truncated": truncate,
    "flipped bit": flip_a_bit,
    "random": lambda file: file.write_bytes(random.Random(0).randbytes(4000)),
    "text": lambda file: file.write_text("not a checkpoint"),
    "pickle": lambda file: file.write_bytes(pickle.dumps({"version": 1})),
    "one tensor": lambda file: torch.save(torch.zeros(3), file),
    "other tensors": lambda file: torch.save({"weight": torch.zeros(3)}, file),
    "no tensor": lambda file: change(file, "method", None),
    "a step before the first": lambda file: change(file, "step", -5),
    "a step after the last": lambda file: change(file, "step", 10**9),
    "a stage that is none": lambda file: change(file, "stage", 7),
    "a version in words": lambda file: change(file, "version", "1"),
    "no optimizer": lambda file: change(file, "optimizers", {}),
    "optimizers of another shape": change_optimizer,
    "half of the fields": lambda file: torch.save({"version": 1, "key": "", "step": 1}, file),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_is_none_is_refused_in_words(round_copy: JobFolder, damage: str) -> None:
    DAMAGES[damage](round_copy.path / CHECKPOINT)
    assert_fails_with(round_copy, "last.pt is not a checkpoint, or it is damaged", "Start a new round")


def test_a_checkpoint_that_carries_code_is_refused_and_the_code_not_run(round_copy: JobFolder, tmp_path: Path) -> None:
    file, trace = round_copy.path / CHECKPOINT, tmp_path / "code was run"
    torch.save({**torch.load(file, weights_only=True), "method": Malicious(trace)}, file)
    assert_fails_with(round_copy, "The checkpoint carries program code and was not loaded")
    assert not trace.exists()
    torch.load(file, weights_only=False)
    assert trace.exists(), "the file was harmless, so the test proves nothing"


def test_a_checkpoint_of_another_round_is_refused(round_copy: JobFolder) -> None:
    round_copy.write_spec(dataclasses.replace(round_copy.spec(), seed=1))
    assert_fails_with(round_copy, "belongs to a round with other cases, structures or settings")


def test_a_checkpoint_of_a_newer_version_is_refused(round_copy: JobFolder) -> None:
    file = round_copy.path / CHECKPOINT
    torch.save({**torch.load(file, weights_only=True), "version": VERSION + 1}, file)
    assert_fails_with(round_copy, "newer version", "Update the program")


def with_plan(text: str, name: str, value: object) -> str:
    content = json.loads(text)
    content["plan"][name] = value
    return json.dumps(content)


PLANS = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "a list": lambda text: "[1, 2]",
    "no plan": lambda text: json.dumps({"settings": json.loads(text)["settings"]}),
    "no patch": lambda text: text.replace('"patch"', '"batch"'),
    "a negative patch": lambda text: with_plan(text, "patch", [-32, 32]),
    "an enormous patch": lambda text: with_plan(text, "patch", [16 * 10**9, 32]),
    "a patch in 3D": lambda text: with_plan(text, "patch", [32, 32, 32]),
    "four dimensions": lambda text: with_plan(text, "dimensions", 4),
    "no spacing": lambda text: with_plan(text, "spacing", [None, 0.0, 1.0]),
    "an axis that is none": lambda text: with_plan(text, "slice_axis", 7),
    "other structures": lambda text: with_plan(text, "num_classes", 200),
    "a setting that is no number": lambda text: text.replace('"weight_decay": ', '"weight_decay": "a", "a": '),
    "a setting that is a list": lambda text: text.replace('"steps": 2', '"steps": [2]'),
}


@pytest.mark.parametrize("damage", PLANS)
def test_a_damaged_plan_is_refused_in_words(round_copy: JobFolder, damage: str) -> None:
    file = round_copy.path / "plan.json"
    file.write_text(PLANS[damage](file.read_text()))
    assert_fails_with(round_copy, "damaged")


def test_a_plan_of_an_older_version_gets_the_settings_it_lacks(round_copy: JobFolder) -> None:
    file = round_copy.path / "plan.json"
    content = json.loads(file.read_text())
    assert content["settings"].pop("foreground_share") == 0.5
    file.write_text(json.dumps(content))
    checkpoint = round_copy.checkpoints / "last.pt"
    torch.save(torch.load(checkpoint, weights_only=True) | {"key": round_key(round_copy)}, checkpoint)
    assert main(round_copy.path) == EXIT_FINISHED


def test_settings_of_an_older_version_that_are_refused_now_are_no_damage(round_copy: JobFolder) -> None:
    job = json.loads((round_copy.path / "job.json").read_text())
    job |= {"method": "bcp", "settings": {**job["settings"], "labeled_batch": 1, "unlabeled_batch": 2}}
    (round_copy.path / "job.json").write_text(json.dumps(job))
    assert_fails_with(round_copy, "cannot pair", "same even number")


def test_an_image_that_vanishes_before_the_prediction_can_be_put_back(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny_study(study_folder)
    folder = new_round(study)
    image, elsewhere = study.image_path(study.cases[1]), tmp_path / "elsewhere.nrrd"
    start_stage = Reporter.start_stage

    def lose_the_image(self: Reporter, name: str, *details: object) -> None:
        if name == "predict":
            image.rename(elsewhere)
        start_stage(self, name, *details)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "start_stage", lose_the_image)
        assert_fails_with(folder, image.name)
    done = contents(folder)
    assert f"predictions/{study.cases[0].id}/summary.json" in done
    assert not (folder.predictions / study.cases[1].id).exists()
    elsewhere.rename(image)
    assert main(folder.path) == EXIT_FINISHED
    assert {name: contents(folder)[name] for name in done if name.startswith("predictions")} == {
        name: value for name, value in done.items() if name.startswith("predictions")
    }, "what was complete is not done again"


@pytest.mark.parametrize(
    ("method", "missing", "words"),
    [
        ("supervised", lambda case: case.role is Role.LABELED, "no annotated images"),
        ("mean_teacher", lambda case: case.role is Role.UNLABELED, "no images without annotation yet"),
        ("cu2l", lambda case: case.external, "no images without annotation from other sites"),
    ],
)
def test_a_round_without_the_cases_that_a_method_needs(study_folder: Path, method: str, missing, words: str) -> None:
    folder = new_round(tiny_study(study_folder, external=1), method)
    spec = folder.spec()
    folder.write_spec(
        dataclasses.replace(spec, cases=tuple(case for case in spec.cases if not missing(case)), preview_cases=())
    )
    assert_fails_with(folder, words)


def test_a_patch_that_the_network_would_halve_to_one_voxel_is_refused(study_folder: Path) -> None:
    folder = new_round(tiny_study(study_folder), settings={"patch_size": "16x16"})
    assert_fails_with(folder, 'The patch size "16x16" is too small', "32 or more")


def test_a_warm_start_begins_from_the_weights(finished: JobFolder) -> None:
    study = tiny_study(finished.path.parents[2] / "same structures")
    folder = new_round(study, settings={"steps": 1, "learning_rate": 1e-8}, warm_start=finished.model)
    assert main(folder.path) == EXIT_FINISHED
    ours, theirs = (
        torch.load(place.model / "models" / "model.pt", weights_only=True)["head.weight"]
        for place in (folder, finished)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_that_is_absent_is_never_replaced_by_the_processor(finished: JobFolder, device: str) -> None:
    study = tiny_study(finished.path.parents[2] / device.replace(":", ""))
    assert_fails_with(new_round(study, device=device), "A CUDA device was requested, but none can be used", '"cpu"')


def test_a_worker_in_trouble_that_nobody_foresaw_says_so_and_keeps_the_details(
    round_copy: JobFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a slip of the programmers")

    monkeypatch.setitem(main.__globals__["_JOBS"], "train", fail)
    with pytest.raises(ZeroDivisionError):
        main(round_copy.path)
    assert isinstance(round_copy.events()[0][-1], Failed)
    assert round_copy.status().state == "failed"
    assert "unexpected error" in capsys.readouterr().err


def test_a_job_in_use_is_left_alone(round_copy: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with round_copy.lock():
        before = (contents(round_copy), round_copy.events(), round_copy.status())
        assert main(round_copy.path) == EXIT_FAILED
        assert (contents(round_copy), round_copy.events(), round_copy.status()) == before
    assert f"The job {round_copy.name} is in use by process" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("name", ["checkpoints", "model", "predictions", "previews", "cache"])
def test_a_folder_that_is_a_link_to_elsewhere_is_refused(round_copy: JobFolder, tmp_path: Path, name: str) -> None:
    place = round_copy.path.parents[1] / name if name == "cache" else round_copy.path / name
    elsewhere, kept = tmp_path / "elsewhere", tmp_path / "kept"
    elsewhere.mkdir()
    if place.exists():
        place.rename(kept)
    place.symlink_to(elsewhere)
    try:
        assert main(round_copy.path) == EXIT_FAILED
        assert "leads out of" in round_copy.events()[0][-1].message
        assert not list(elsewhere.iterdir())
    finally:
        place.unlink()
        if kept.exists():
            kept.rename(place)


@pytest.mark.parametrize(("name", "value"), [("settings", None), ("settings", {"threads": "a"}), ("method", "none")])
def test_a_model_whose_description_is_damaged_is_refused(
    finished: JobFolder, tmp_path: Path, name: str, value: object
) -> None:
    model = tmp_path / "model"
    shutil.copytree(finished.model, model)
    file = model / "configs" / "metadata.json"
    content = json.loads(file.read_text())
    own = content["semi_supervised_seg"]
    (own if name in own else own["training"])[name] = value
    file.write_text(json.dumps(content))
    folder = JobFolder(tmp_path / "jobs" / "new")
    folder.write_spec(make_prediction_spec("new", [Path(finished.spec().cases[0].image)], model, device="cpu"))
    assert_fails_with(folder, "metadata.json", "damaged")

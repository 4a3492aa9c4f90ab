"""The command predict on folders of images, with real workers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.__main__ import main
from SemiSupervisedSegLib.engine.worker.worker import main as work
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import add_machine
from SemiSupervisedSegLib.jobs.results import PREDICTION_FILES

from ..engine.worker.rounds import EXIT_FINISHED, new_round, tiny_study
from ..jobs.remote.ssh_server import far_machine

GOOD = ("first", "second", "third", "fourth")
FILES = (*PREDICTION_FILES.values(), "summary.json")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_round(tiny_study(tmp_path_factory.mktemp("trained") / "study"))
    assert work(folder.path) == EXIT_FINISHED
    return folder.model


@pytest.fixture
def images(model: Path, tmp_path: Path) -> Path:
    """A folder of four images, one whose voxels are cut off, an annotation and a text."""
    study = model.parents[2]
    source = sorted((study / "images").glob("*"))[0]
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(GOOD):
        image = sitk.ReadImage(str(source))
        sitk.WriteImage(image + number, str(folder / f"{name}.nrrd"))
    content = (folder / "first.nrrd").read_bytes()
    (folder / "cut-off.nrrd").write_bytes(content[: len(content) // 2])
    shutil.copy(sorted((study / "annotations").glob("*.seg.nrrd"))[0], folder / "first.seg.nrrd")
    (folder / "readme.txt").write_text("Four images.")
    return folder


def predict(images: Path, model: Path, output: Path, *options: str) -> int:
    return main(["predict", str(images), "--model", str(model), "--output", str(output), "--device", "cpu", *options])


def contents(folder: Path) -> dict[str, bytes]:
    return {f"{name}/{file}": (folder / "predictions" / name / file).read_bytes() for name in GOOD for file in FILES}


def test_shards_give_the_results_of_one_job(model, images, tmp_path, capsys):
    assert predict(images, model, tmp_path / "one", "--threads", "1") == 1
    said = capsys.readouterr()
    assert "error: Case cut-off: " in said.err
    assert "1 of 5 could not be segmented." in said.err
    assert predict(images, model, tmp_path / "many", "--jobs", "2", "--shards", "3", "--threads", "1") == 1
    said = capsys.readouterr()
    assert "error: Case cut-off: " in said.err
    assert "1 of 5 could not be segmented." in said.err
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "many")]
    assert results[0]["failed"] == results[1]["failed"]
    assert {case["case"]: case for case in results[0]["cases"]} == {case["case"]: case for case in results[1]["cases"]}
    assert not any((tmp_path / "many" / "shards").iterdir())


def test_a_repeated_command_segments_what_is_missing_only(model, images, tmp_path, capsys):
    output = tmp_path / "out"
    for name in GOOD[2:]:
        (images / f"{name}.nrrd").rename(tmp_path / f"{name}.nrrd")
    assert predict(images, model, output, "--jobs", "2") == 1
    made = {name: (output / "predictions" / name / "summary.json").stat().st_mtime_ns for name in GOOD[:2]}
    for name in GOOD[2:]:
        (tmp_path / f"{name}.nrrd").rename(images / f"{name}.nrrd")
    (images / "cut-off.nrrd").unlink()
    assert predict(images, model, output, "--jobs", "2") == 0
    assert made == {name: (output / "predictions" / name / "summary.json").stat().st_mtime_ns for name in GOOD[:2]}
    assert [case["case"] for case in JobFolder(output).result()["cases"]] == sorted(GOOD)
    assert predict(images, model, output, "--jobs", "2") == 2
    assert "There are results in" in capsys.readouterr().err


def test_refusals(model, images, tmp_path, capsys):
    assert predict(images, model, tmp_path / "out", "--jobs", "0") == 2
    assert "--jobs and --shards 1 or more" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert predict(tmp_path / "empty", model, tmp_path / "out") == 2
    assert predict(images, model, tmp_path / "out", "--on", "nowhere") == 2
    assert "no machine 'nowhere'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_shards_on_another_machine_give_the_results_of_one_job(model, images, tmp_path, monkeypatch):
    with far_machine(tmp_path / "far", monkeypatch) as far:
        far.install_links()
        add_machine(far.machine)
        assert predict(images, model, tmp_path / "there", "--on", "box", "--shards", "2", "--threads", "1") == 1
        assert far.jobs() == []
    assert predict(images, model, tmp_path / "here", "--threads", "1") == 1
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    failed = [json.loads((tmp_path / name / "result.json").read_text())["failed"] for name in ("here", "there")]
    assert [failure["message"].split(":")[0] for failure in failed[0] + failed[1]] == ["Case cut-off"] * 2

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.commands import export
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.jobs.training_spec import make_training_spec
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Study

from .conftest import STRUCTURES, make_classes


def run(study: Study, output: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    options = parser.parse_args(["export", str(study.folder), "--output", str(output), *arguments])
    return options.run(options)


def assert_same(path: Path, expected: np.ndarray) -> None:
    image = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(image), expected)
    assert np.allclose(image.GetDirection(), make_classes().GetDirection())
    assert np.allclose(image.GetOrigin(), make_classes().GetOrigin())


def labels() -> np.ndarray:
    return np.array([0, 5, 2], np.uint8)[sitk.GetArrayFromImage(make_classes())]


@pytest.mark.parametrize("kind", ["nii.gz", "nrrd"])
def test_annotations_become_labelmaps_with_a_colour_table(study: Study, tmp_path: Path, kind: str) -> None:
    assert run(study, tmp_path / "out", "--format", kind) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {f"a.{kind}", f"b.{kind}", "structures.ctbl"}
    assert_same(tmp_path / "out" / f"a.{kind}", labels())
    table = (tmp_path / "out" / "structures.ctbl").read_text().splitlines()
    assert table[1:] == ["0 Background 0 0 0 0", "2 wall 0 128 255 255", "5 left_chamber 255 0 0 255"]


def test_annotations_become_segmentations(study: Study, tmp_path: Path) -> None:
    assert run(study, tmp_path / "out", "--case", "b") == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["b.seg.nrrd"]
    read = read_annotation(tmp_path / "out" / "b.seg.nrrd", STRUCTURES, make_classes())
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(make_classes()))


@pytest.mark.parametrize("kind", ["seg.nrrd", "nii.gz"])
def test_predictions_of_a_round_are_exported_even_if_empty(study: Study, tmp_path: Path, kind: str) -> None:
    folder = next_round(study.folder, "cu2l")
    folder.write_spec(make_training_spec(study, "cu2l", "quick", {}))
    for case, classes in (("c", make_classes()), ("e", make_classes() * 0)):
        (folder.predictions / case).mkdir(parents=True)
        write_segmentation(folder.predictions / case / "final.seg.nrrd", classes, STRUCTURES)
    assert run(study, tmp_path / "out", "--round", "1", "--format", kind) == 0
    assert_same(tmp_path / "out" / f"c.{kind}", labels())
    assert_same(tmp_path / "out" / f"e.{kind}", labels() * 0)
    read = sitk.ReadImage(str(tmp_path / "out" / f"c.{kind}"))
    assert any(key.startswith("Segment") for key in read.GetMetaDataKeys()) == (kind == "seg.nrrd")


def test_nothing_is_overwritten_and_unknown_cases_are_named(study: Study, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.nrrd").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        run(study, tmp_path / "out", "--format", "nrrd")
    assert (tmp_path / "out" / "b.nrrd").read_text() == "mine"
    assert len(list((tmp_path / "out").iterdir())) == 1
    with pytest.raises(UserError, match="no segmentation of case 'c'"):
        run(study, tmp_path / "new", "--case", "a", "c")
    with pytest.raises(UserError, match="no round '7'"):
        run(study, tmp_path / "new", "--round", "7")

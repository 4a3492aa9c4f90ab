from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.commands import export
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.cases import add_cases, change_cases, new_case
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Study
from SemiSupervisedSegLib.study.store import create_study, save_study

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
def test_predictions_are_exported_even_if_empty_and_missing_ones_named(study, tmp_path, kind, capsys) -> None:
    folder = next_round(study.folder, "cu2l")
    folder.write_spec(make_training_spec(study, "cu2l", "quick", {}))
    for case, classes in (("c", make_classes()), ("e", make_classes() * 0)):
        (folder.predictions / case).mkdir(parents=True)
        write_segmentation(folder.predictions / case / "final.seg.nrrd", classes, STRUCTURES)
    assert run(study, tmp_path / "out", "--round", "1", "--format", kind) == 1
    assert "Case a: the round 001-cu2l has no prediction of it" in capsys.readouterr().err
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


def test_a_case_that_cannot_be_exported_is_listed_at_the_end(study: Study, tmp_path: Path, capsys) -> None:
    shutil.copy(study.annotation_path(study.case("a")), tmp_path / "damaged.seg.nrrd")
    save_study(change_cases(study, ["a"], annotation=tmp_path / "damaged.seg.nrrd"))
    (tmp_path / "damaged.seg.nrrd").write_text("no segmentation")
    assert run(study, tmp_path / "out", "--format", "nrrd") == 1
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"b.nrrd", "structures.ctbl"}
    assert "Case a: damaged.seg.nrrd could not be read" in capsys.readouterr().err


def test_annotations_of_dicom_series_become_dicom_seg(tmp_path: Path, capsys) -> None:
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom", reason="DICOM SEG is written by highdicom")
    from Testing.study.dicom_scan import write_scan

    scan = sitk.Cast(make_classes(), sitk.sitkInt16) * 100
    sitk.WriteImage(scan, str(tmp_path / "image.nrrd"))
    write_scan(tmp_path / "scan", tmp_path / "image.nrrd")
    sitk.WriteImage(scan + 1, str(tmp_path / "image.nrrd"))
    write_segmentation(tmp_path / "annotation.seg.nrrd", make_classes(), STRUCTURES)
    study = create_study(tmp_path / "study", "Hearts", "CT", "here", STRUCTURES)
    files = {name: {"image": tmp_path / name, "case_id": name[:4]} for name in ("scan", "image.nrrd")}
    annotation = tmp_path / "annotation.seg.nrrd"
    cases = [new_case(study, site="here", role="labeled", annotation=annotation, **file) for file in files.values()]
    save_study(add_cases(study, cases))
    assert run(study, tmp_path / "out", "--format", "dcm") == 1
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["scan.dcm"]
    assert "Case imag: The image did not come from DICOM" in capsys.readouterr().err
    made = pydicom.dcmread(tmp_path / "out" / "scan.dcm")
    assert np.count_nonzero(made.pixel_array) == np.count_nonzero(labels())

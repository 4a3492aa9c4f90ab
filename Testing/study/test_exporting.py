from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation, structures_of, write_segmentation
from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.exporting import (
    COLOR_TABLE,
    Source,
    annotation_sources,
    chosen_sources,
    export_cases,
    source_structures,
    with_terminology,
)
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Structure

LABELMAPS = ("seg.nrrd", "nii.gz", "nrrd")


@pytest.fixture
def annotated(study, files):
    """The study with the annotated case a and the case b, which has none."""
    cases = [
        new_case(study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd"),
        new_case(study, files / "b.nrrd", site="here", role="unlabeled"),
    ]
    return add_cases(study, cases)


@pytest.fixture
def predictions(tmp_path: Path, make_classes, structures) -> Path:
    folder = tmp_path / "predictions"
    for case_id, factor in (("a", 1), ("b", 0)):
        (folder / case_id).mkdir(parents=True)
        write_segmentation(folder / case_id / "final.seg.nrrd", make_classes() * factor, structures)
    return folder


def predicted(folder: Path, files: Path, *case_ids: str) -> list[Source]:
    return [Source(name, folder / name / "final.seg.nrrd", files / f"{name}.nrrd", None) for name in case_ids]


@pytest.mark.parametrize("suffix", LABELMAPS)
def test_what_is_exported_comes_back_voxel_for_voxel_on_the_same_grid(annotated, files, tmp_path, structures, suffix):
    (written,) = export_cases(annotation_sources(annotated), tmp_path / "out", suffix)
    assert written == tmp_path / "out" / f"a.{suffix}"
    assert same_grid(sitk.ReadImage(str(written)), read_image(files / "a.nrrd"))
    # The way back is the one by which a user adds an annotation.
    case = new_case(annotated, files / "b.nrrd", site="here", role="labeled", annotation=written, case_id="again")
    cases = tuple(item for item in annotated.cases if item.id == "a")
    grown = add_cases(type(annotated)(**{**vars(annotated), "cases": cases}), [case])
    image = read_image(grown.image_path(case))
    before = read_annotation(files / "a.seg.nrrd", structures, image)
    after = read_annotation(written, structures, image)
    assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
    assert sitk.GetArrayFromImage(before).max() == 2


@pytest.mark.parametrize("suffix", LABELMAPS)
def test_predictions_keep_their_label_values_even_when_nothing_was_found(
    predictions, files, tmp_path, make_classes, suffix
):
    sources = predicted(predictions, files, "a", "b")
    first, second = (sitk.ReadImage(str(path)) for path in export_cases(sources, tmp_path / "out", suffix))
    expected = np.array([0, 3, 7], np.uint8)[sitk.GetArrayFromImage(make_classes())]
    assert np.array_equal(sitk.GetArrayFromImage(first), expected)
    assert not sitk.GetArrayFromImage(second).any()
    assert same_grid(first, read_image(files / "a.nrrd"))


def test_segmentations_keep_names_colours_label_values_and_terminology(annotated, tmp_path, structures):
    (written,) = export_cases(annotation_sources(annotated), tmp_path / "out", "seg.nrrd")
    assert structures_of(written) == structures


@pytest.mark.parametrize("suffix", ["seg.nrrd", "nii.gz"])
def test_terms_that_were_chosen_after_a_round_are_in_what_is_exported_of_it(
    predictions, files, structures, tmp_path, suffix
):
    named = tuple(dataclasses.replace(item, terminology=f"x~a^1^b~SCT^2^{item.name}") for item in structures)
    sources = with_terminology(predicted(predictions, files, "a"), named)
    (written,) = export_cases(sources, tmp_path / "out", suffix)
    assert source_structures(sources[0]) == named
    before, after = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (sources[0].path, written))
    assert np.array_equal(before, after)
    if suffix == "seg.nrrd":
        assert structures_of(written) == named


def test_a_colour_table_lies_beside_labelmaps_only(predictions, files, tmp_path):
    sources = predicted(predictions, files, "a")
    list(export_cases(sources, tmp_path / "segmentations", "seg.nrrd"))
    assert not (tmp_path / "segmentations" / COLOR_TABLE).exists()
    list(export_cases(sources, tmp_path / "labelmaps", "nii.gz"))
    lines = (tmp_path / "labelmaps" / COLOR_TABLE).read_text().splitlines()
    assert lines[1:] == ["0 Background 0 0 0 0", "3 chamber 255 0 0 255", "7 wall 0 128 255 255"]


def test_nothing_is_replaced(annotated, predictions, files, tmp_path, make_classes):
    out = tmp_path / "out"
    list(export_cases(annotation_sources(annotated), out, "nrrd"))
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError, match="exists already"):
        list(export_cases(annotation_sources(annotated), out, "nrrd"))
    other = (Structure("tumour", 3, (0, 255, 0)),)
    write_segmentation(predictions / "b" / "final.seg.nrrd", make_classes() * 0, other)
    with pytest.raises(UserError, match="other label values"):
        list(export_cases(predicted(predictions, files, "b"), out, "nrrd"))
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_cases_are_chosen_by_their_ids(predictions, files):
    sources = predicted(predictions, files, "a", "b")
    assert [source.case_id for source in chosen_sources(sources, ["b", "b"])] == ["b"]
    assert chosen_sources(sources, []) == sources
    with pytest.raises(UserError, match="no segmentation of case 'c'"):
        chosen_sources(sources, ["c"])
    with pytest.raises(UserError, match="nothing to export"):
        chosen_sources([], [])


def test_one_bad_case_does_not_keep_the_others_from_being_exported(predictions, files, tmp_path):
    sources = predicted(predictions, files, "a", "b")
    sources[0].path.unlink()
    for suffix, words in (("seg.nrrd", "Case a: .* could not be read"), ("nrrd", "Case a: .* no file")):
        if suffix == "nrrd":
            write = list(export_cases(sources[::-1], tmp_path / suffix, suffix))[::-1]
        else:
            write = list(export_cases(sources, tmp_path / suffix, suffix))
        failed, written = write
        assert isinstance(failed, UserError)
        assert re.search(words, failed.message)
        assert written == tmp_path / suffix / f"b.{suffix}"
        assert written.exists()

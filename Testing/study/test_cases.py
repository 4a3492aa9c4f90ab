from __future__ import annotations

import dataclasses
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.cases import (
    add_cases,
    assign_cases,
    cases_from_images,
    change_cases,
    new_case,
    remove_cases,
    stored_path,
)
from SemiSupervisedSegLib.study.checks import check_study
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.image_files import images_among, matching_paths
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Case, Role
from SemiSupervisedSegLib.study.names import default_id, free_id
from SemiSupervisedSegLib.study.partial_annotations import case_structures
from SemiSupervisedSegLib.study.store import load_study, save_study
from SemiSupervisedSegLib.study.structures import add_structure

from .conftest import with_case


def test_case_elsewhere_is_referenced(study, files):
    grown = with_case(study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd")
    expected = Case("a", "../files/a.nrrd", "here", Role.LABELED, "../files/a.seg.nrrd")
    assert grown.cases == (expected,)
    save_study(grown)
    assert load_study(study.folder) == grown
    assert sorted(item.name for item in study.folder.iterdir()) == [STUDY_FILE]


def test_paths_inside_the_study_are_relative(study, make_image, monkeypatch):
    (study.folder / "images").mkdir()
    sitk.WriteImage(make_image(), str(study.folder / "images" / "a.nrrd"))
    monkeypatch.chdir(study.folder / "images")
    grown = with_case(study, "../images/a.nrrd", site="here", role=Role.UNLABELED)
    assert grown.cases[0].image == "images/a.nrrd"


def test_links_are_kept_as_they_are(study, files, tmp_path):
    """Data managers keep the files elsewhere under names that change."""
    link = tmp_path / "patient.nrrd"
    os.symlink(files / "a.nrrd", link)
    grown = with_case(study, link, site="here", role="unlabeled")
    assert (grown.cases[0].id, grown.cases[0].image) == ("patient", "../patient.nrrd")


@pytest.mark.parametrize(
    ("name", "case_id"),
    [
        ("a.nii.gz", "a"),
        ("a.b.nrrd", "a.b"),
        ("x.SEG.NRRD", "x"),
        ("Müller 3.mha", "Muller-3"),
        ("Patient 03 (à revoir).nrrd", "Patient-03-a-revoir"),
        ("Séquence 3D LGE n°1.nii.gz", "Sequence-3D-LGE-n-1"),
        ("肝臓.nrrd", "case"),
        ("_a.nrrd", "a"),
        ("..nrrd", "case"),
        ("CON.nrrd", "case-CON"),
        ("aux.2.nii.gz", "case-aux.2"),
        ("scan..nrrd", "scan"),
        ("a" * 150 + ".nrrd", "a" * 100),
    ],
)
def test_default_id(name, case_id):
    assert default_id(f"/data/{name}") == case_id


def test_an_id_that_is_taken_gets_a_number():
    assert free_id({"scan", "scan-2"}, "Scan") == "Scan-3"
    assert len(free_id({"x" * 100}, "x" * 100)) <= 100


def test_folder_keeps_its_dots(tmp_path):
    (tmp_path / "1.2.3").mkdir()
    assert default_id(tmp_path / "1.2.3") == "1.2.3"


def test_pattern(study, files):
    images = matching_paths(f"{files}/?.nrrd")
    cases = cases_from_images(study, images, site="here", role="labeled", annotations=f"{files}/{{id}}.seg.nrrd")
    assert [(case.id, case.annotation) for case in cases] == [(n, f"../files/{n}.seg.nrrd") for n in "ab"]
    assert add_cases(study, cases).cases == tuple(cases)


def test_one_bad_case_adds_none(study, files, make_classes, structures):
    write_segmentation(files / "b.seg.nrrd", make_classes(size=(10, 12, 7)), structures)
    with pytest.raises(UserError, match=r"Case b: .* different grids"):
        with_case(study, files / "b.nrrd", site="h", role="labeled", annotation=files / "b.seg.nrrd")


def test_bad_patterns(study, files):
    with pytest.raises(UserError, match="No image matches"):
        matching_paths(f"{files}/*.mha")
    with pytest.raises(UserError, match=r"has no \{id\}"):
        cases_from_images(study, [files / "a.nrrd"], site="h", role="labeled", annotations="labels/a.nrrd")


def test_no_space_left(study, files, largest_file):
    before = (study.folder / STUDY_FILE).read_bytes()
    with largest_file(100), pytest.raises(UserError, match="no space left"):
        save_study(with_case(study, files / "a.nrrd", site="here", role="unlabeled"))
    assert (study.folder / STUDY_FILE).read_bytes() == before
    assert sorted(item.name for item in study.folder.iterdir()) == [STUDY_FILE]


@pytest.fixture
def unlabeled(study, files):
    study = with_case(study, files / "a.nrrd", site="here", role=Role.UNLABELED)
    return with_case(study, files / "b.nrrd", site="there", role=Role.UNLABELED)


def test_accepting_an_annotation_makes_the_case_labeled(unlabeled, files):
    first, second = change_cases(unlabeled, ["a"], role=Role.LABELED, annotation=files / "a.seg.nrrd").cases
    assert (first.role, first.annotation) == (Role.LABELED, "../files/a.seg.nrrd")
    assert second == unlabeled.cases[1]


def test_several_cases_change_together(unlabeled):
    changed = change_cases(unlabeled, ["a", "b"], site="elsewhere", role="ignored")
    assert {(case.site, case.role) for case in changed.cases} == {("elsewhere", Role.IGNORED)}


def test_what_does_not_fit_is_refused(unlabeled, files, tmp_path):
    other_grid = tmp_path / "other.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((2, 3, 4), 3, np.uint8)), str(other_grid))
    for ids, changes, words in (
        (["a"], {"role": Role.LABELED}, "no annotation"),
        (["a"], {"annotation": other_grid}, "grid"),
        (["a", "nobody"], {"role": Role.IGNORED}, "nobody"),
        (["a"], {}, "Nothing was changed"),
    ):
        with pytest.raises(UserError, match=words):
            change_cases(unlabeled, ids, **changes)


def partly_annotated(study):
    """The study with the annotated case a and the case b, which has no annotation; there are no files."""
    cases = (
        Case("a", "a.nrrd", "here", Role.LABELED, "a.seg.nrrd"),
        Case("b", "b.nrrd", "here", Role.UNLABELED),
    )
    return dataclasses.replace(study, cases=cases)


def test_many_cases_get_another_role_or_site_or_none_does(study):
    study = partly_annotated(study)
    moved = assign_cases(study, ["a", "b"], site="there")
    assert {case.site for case in moved.cases} == {"there"}
    assert assign_cases(study, ["b"], role="ignored").case("b").role is Role.IGNORED
    with pytest.raises(UserError, match="b has no annotation"):
        assign_cases(study, ["a", "b"], role=Role.VALIDATION)
    with pytest.raises(UserError, match="nobody"):
        assign_cases(study, ["nobody"], site="there")


def test_cases_are_removed_by_id(study):
    study = partly_annotated(study)
    assert [case.id for case in remove_cases(study, ["a"]).cases] == ["b"]
    with pytest.raises(UserError):
        remove_cases(study, ["c"])


def test_names_in_every_unicode_form_are_the_same(study, files, structures):
    composed, parted = (unicodedata.normalize(form, "Größe é") for form in ("NFC", "NFD"))
    (files / "a.nrrd").rename(files / f"{parted}.nrrd")
    grown = with_case(study, files / f"{composed}.nrrd", site=f" {parted} ", role="Unlabeled ")
    assert grown.cases[0].site == composed
    assert grown.image_path(grown.cases[0]) == files / f"{parted}.nrrd"
    named = (dataclasses.replace(structures[0], name=composed), structures[1])
    assert case_structures(named, parted) == (composed,)
    with pytest.raises(UserError, match="already"):
        add_structure(named, parted)


def test_a_name_that_is_no_text_is_told_without_a_word_of_files_behind_the_scenes(study, files):
    odd = os.fsdecode(os.fsencode(str(files)) + b"/M\xfcller.nrrd")
    os.rename(files / "a.nrrd", odd)
    with pytest.raises(UserError, match=r"file or folder M\\udcfcller\.nrrd is not valid UTF-8") as caught:
        new_case(study, odd, site="here", role="unlabeled")
    assert caught.value.advice.startswith("Rename")
    # ITK would end the process.
    assert images_among([Path(odd)], study.structures) == ([Path(odd)], [])
    with pytest.raises(UserError, match="not valid UTF-8"):
        read_image(odd)


def test_another_spelling_of_a_site_is_the_same_site(study, files):
    grown = with_case(study, files / "a.nrrd", site="Here", role="unlabeled")
    assert not grown.is_external(grown.cases[0])
    assert assign_cases(grown, ["a"], site=" HERE").cases[0].site == "here"


def test_files_far_from_the_study_are_stored_with_their_whole_path(study):
    assert stored_path(study, "/elsewhere/a.nrrd") == "/elsewhere/a.nrrd"


def test_a_study_and_its_files_can_be_moved_together(study, files, tmp_path):
    save_study(with_case(study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd"))
    (tmp_path / "moved").mkdir()
    for name in ("study", "files"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert str(tmp_path) not in (tmp_path / "moved" / "study" / STUDY_FILE).read_text()
    os.symlink(tmp_path / "moved" / "study", tmp_path / "link")
    for place in (tmp_path / "moved" / "study", tmp_path / "link"):
        moved = load_study(place)
        assert moved.image_path(moved.cases[0]) == tmp_path / "moved" / "files" / "a.nrrd"
        assert check_study(moved)


def test_images_with_one_name_are_called_after_their_folders(study, files):
    for number, name in enumerate("ab"):
        (files / f"patient{number}").mkdir()
        (files / f"{name}.nrrd").rename(files / f"patient{number}" / "t2.nrrd")
        (files / f"{name}.seg.nrrd").rename(files / f"patient{number}" / "label.seg.nrrd")
    images = matching_paths(f"{files}/*/t2.nrrd")
    cases = cases_from_images(study, images, site="h", role="labeled", annotations=f"{files}/{{id}}/label.seg.nrrd")
    assert [case.id for case in add_cases(study, cases).cases] == ["patient0", "patient1"]


def test_annotations_beside_images_are_no_images_and_ids_that_are_taken_get_a_number(study, files):
    for name in "ab":
        (files / f"{name}.seg.nrrd").rename(files / f"{name} séance_lab.nrrd")
        (files / f"{name}.nrrd").rename(files / f"{name} séance.nrrd")
    images = matching_paths(f"{files}/*.nrrd")
    options = {"site": "h", "role": "labeled", "annotations": f"{files}/{{id}}_lab.nrrd"}
    grown = add_cases(study, cases_from_images(study, images, **options))
    assert [case.id for case in grown.cases] == ["a-seance", "b-seance"]
    again = cases_from_images(grown, images, **options)
    assert [case.id for case in again] == ["a-seance-2", "b-seance-2"]

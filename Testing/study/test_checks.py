from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.checks import check_study, read_case
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.model import Case, Role, Study


@pytest.fixture
def filled(study, files, make_image) -> Study:
    """One labeled, one validation, one local and one external unlabeled case."""
    a, b = files / "a", files / "b"
    for seed, name in enumerate("cd", 2):
        sitk.WriteImage(make_image(seed=seed), str(files / f"{name}.nrrd"))
    cases = (
        Case("a", f"{a}.nrrd", "here", Role.LABELED, f"{a}.seg.nrrd"),
        Case("b", f"{b}.nrrd", "here", Role.VALIDATION, f"{b}.seg.nrrd"),
        Case("c", f"{files / 'c'}.nrrd", "here", Role.UNLABELED),
        Case("d", f"{files / 'd'}.nrrd", "there", Role.UNLABELED),
    )
    return dataclasses.replace(study, cases=cases)


def changed(study: Study, case_id: str, **values) -> Study:
    cases = tuple(dataclasses.replace(case, **values) if case.id == case_id else case for case in study.cases)
    return dataclasses.replace(study, cases=cases)


def test_good_study(filled, make_image):
    seen = []
    assert check_study(filled, lambda done, total: seen.append((done, total))) == []
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert same_grid(read_case(filled, filled.case("a")), make_image())


def test_a_study_without_a_labeled_case(filled):
    with pytest.raises(UserError, match="no labeled case"):
        check_study(changed(filled, "a", role=Role.IGNORED))


def test_warning_without_validation(filled):
    assert "no validation case" in check_study(changed(filled, "b", role=Role.LABELED))[0]


@pytest.mark.parametrize("role", [Role.LABELED, Role.VALIDATION])
def test_role_without_annotation(filled, role):
    with pytest.raises(UserError, match=f"case d has the role {role.value}, but no annotation"):
        check_study(changed(filled, "d", role=role))


def test_ignored_cases_are_not_read(filled):
    broken = changed(filled, "d", role=Role.IGNORED, image="/nowhere/x.nrrd")
    assert check_study(broken) == []


def test_bad_files_are_named_with_their_case(filled, files, make_image, make_classes, structures):
    with pytest.raises(UserError, match=r"Case d: There is no file x\.nrrd"):
        check_study(changed(filled, "d", image="/nowhere/x.nrrd"))
    sitk.WriteImage(make_image(np.full((5, 12, 10), np.nan, np.float32)), str(files / "n.nrrd"))
    with pytest.raises(UserError, match=r"Case d: n\.nrrd has voxels"):
        check_study(changed(filled, "d", image=str(files / "n.nrrd")))
    write_segmentation(files / "e.seg.nrrd", make_image(np.zeros((5, 12, 10), np.uint8)), structures)
    with pytest.raises(UserError, match=r"Case b: The annotation e\.seg\.nrrd is empty"):
        check_study(changed(filled, "b", annotation=str(files / "e.seg.nrrd")))
    write_segmentation(files / "g.seg.nrrd", make_classes(size=(10, 12, 7)), structures)
    with pytest.raises(UserError, match=r"Case b: .* different grids"):
        check_study(changed(filled, "b", annotation=str(files / "g.seg.nrrd")))


def test_one_slice(filled, files, make_image, make_classes, structures):
    sitk.WriteImage(make_image(size=(10, 12, 1)), str(files / "flat.nrrd"))
    write_segmentation(files / "flat.seg.nrrd", make_classes(size=(10, 12, 1)), structures)
    flat = changed(filled, "d", image=str(files / "flat.nrrd"))
    assert check_study(flat) == ["These cases have one slice only and can be segmented in 2D only: d."]
    for seed, case_id in enumerate("abc", 1):
        image, annotation = (
            files / f"flat-{seed}.nrrd",
            None if case_id == "c" else str(files / f"flat-{seed}.seg.nrrd"),
        )
        shutil.copy(files / "flat.seg.nrrd", files / f"flat-{seed}.seg.nrrd")
        sitk.WriteImage(make_image(size=(10, 12, 1), seed=seed), str(image))
        flat = changed(flat, case_id, image=str(image), annotation=annotation)
    assert check_study(flat) == ["All images have one slice only, so the study is segmented in 2D."]


def test_one_annotation_for_two_cases_is_warned_of(filled, files):
    (warning,) = check_study(changed(filled, "b", annotation=str(files / "a.seg.nrrd")))
    assert warning == "The cases a and b have the same annotation (a.seg.nrrd); check that it shows both."

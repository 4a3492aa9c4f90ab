from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.adding import add_case
from SemiSupervisedSegLib.study.changing import change_cases
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study


@pytest.fixture
def unlabeled(study, files):
    study = add_case(study, files / "a.nrrd", site="here", role=Role.UNLABELED)
    return add_case(study, files / "b.nrrd", site="there", role=Role.UNLABELED)


def test_accepting_an_annotation_makes_the_case_labeled(unlabeled, files):
    change_cases(unlabeled, ["a"], role=Role.LABELED, annotation=files / "a.seg.nrrd")
    first, second = load_study(unlabeled.folder).cases
    assert (first.role, first.annotation) == (Role.LABELED, (files / "a.seg.nrrd").as_posix())
    assert second == unlabeled.cases[1]


def test_several_cases_change_together(unlabeled):
    change_cases(unlabeled, ["a", "b"], site="elsewhere", role="ignored")
    assert {(case.site, case.role) for case in load_study(unlabeled.folder).cases} == {("elsewhere", Role.IGNORED)}


def test_what_does_not_fit_changes_nothing(unlabeled, files, tmp_path):
    before = (unlabeled.folder / STUDY_FILE).read_bytes()
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
    assert (unlabeled.folder / STUDY_FILE).read_bytes() == before

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.study.cases import add_cases, cases_from_images
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Role, Study
from SemiSupervisedSegLib.study.names import id_from_name, rename_case, rename_site
from SemiSupervisedSegLib.study.store import load_study, save_study

NAMES = ("Patient 03 (à revoir)", "Séquence 3D LGE n°1", "Patient 01 é")


@pytest.fixture
def named(study: Study, tmp_path: Path, make_image) -> Study:
    """Images whose names have accents, blanks and brackets, at a site whose name has them as well."""
    for number, name in enumerate(NAMES):
        sitk.WriteImage(make_image() + number, str(tmp_path / f"{name}.nii.gz"))
    images = [tmp_path / f"{name}.nii.gz" for name in NAMES]
    return add_cases(study, cases_from_images(study, images, site="Hôpital Müller (A)", role="unlabeled"))


def test_names_are_shown_as_written_and_ids_are_readable(named):
    assert [case.title for case in named.cases] == list(NAMES)
    assert [case.id for case in named.cases] == ["Patient-03-a-revoir", "Sequence-3D-LGE-n-1", "Patient-01-e"]
    assert {case.site for case in named.cases} == {"Hôpital Müller (A)"}
    save_study(named)
    assert load_study(named.folder) == named
    assert named.title_of("gone") == "gone"


@pytest.mark.parametrize(
    ("name", "expected"), [("Straße Łódź", "Strasse-Lodz"), ("Œuvre", "Oeuvre"), ("心臓", "case"), ("a/b", "a-b")]
)
def test_ids_are_as_similar_to_names_as_files_allow(name, expected):
    assert id_from_name(name) == expected


def test_images_of_one_name_get_distinct_titles(study, tmp_path, make_image):
    images = [tmp_path / folder / "été.nrrd" for folder in ("a/x", "b/x")]
    for number, image in enumerate(images):
        image.parent.mkdir(parents=True)
        sitk.WriteImage(make_image() + number, str(image))
    cases = cases_from_images(study, images, site="here", role="unlabeled")
    assert [(case.id, case.title) for case in cases] == [("ete", "été"), ("ete-2", "été (2)")]


def test_only_a_study_with_names_needs_the_new_format(named):
    save_study(named)
    content = json.loads((named.folder / STUDY_FILE).read_text(encoding="utf-8"))
    assert content["schema_version"] == 3
    for case in named.cases:
        named = rename_case(named, case.id, "")
    save_study(named)
    content = json.loads((named.folder / STUDY_FILE).read_text(encoding="utf-8"))
    assert content["schema_version"] == 1
    assert [case.title for case in load_study(named.folder).cases] == [case.id for case in named.cases]


def test_a_case_is_renamed_and_its_files_keep_their_names(named):
    renamed = rename_case(named, "Patient-01-e", "Anna M. (T1)")
    case = renamed.case("Patient-01-e")
    assert (case.title, case.image) == ("Anna M. (T1)", named.case("Patient-01-e").image)


@pytest.mark.parametrize("name", ["patient 03 (À revoir)", "two\nlines", "x" * 201])
def test_a_name_that_cannot_be_used_is_refused_without_repeating_it(named, name):
    with pytest.raises(UserError) as caught:
        rename_case(named, "Patient-01-e", name)
    assert name not in str(caught.value)


def test_a_site_is_renamed_in_all_of_its_cases(named):
    renamed = rename_site(named, "Hôpital Müller (A)", "Hôpital Müller (B)")
    assert {case.site for case in renamed.cases} == {"Hôpital Müller (B)"}
    local = rename_site(named, named.local_site, "Chez nous")
    assert (local.local_site, {case.site for case in local.cases}) == ("Chez nous", {"Hôpital Müller (A)"})
    with pytest.raises(UserError, match="already"):
        rename_site(named, named.local_site, "hôpital müller (a)")


def test_jobs_have_no_names(named):
    renamed = rename_case(named, "Patient-01-e", "Müller^Anna")
    cases = [dataclasses.replace(case, role=Role.LABELED, annotation="a.seg.nrrd") for case in renamed.cases]
    study = dataclasses.replace(renamed, cases=tuple(cases))
    text = make_training_spec(study, "supervised", "quick", {}).to_json()
    assert '"Patient-01-e"' in text
    assert "Anna" not in text

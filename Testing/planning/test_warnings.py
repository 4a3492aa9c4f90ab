"""Structures that cannot be learned and images that show nothing are named before a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.spec import JobCase
from SemiSupervisedSegLib.planning.cache import prepare_cache
from SemiSupervisedSegLib.planning.fingerprint import CaseFingerprint, Fingerprint
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.planning.warnings import case_warnings, field_of_view_warnings, image_warnings
from SemiSupervisedSegLib.study.model import Role, Structure

from .plans import plan_2d, plan_3d


@pytest.fixture
def warnings_of(tmp_path: Path, structures: tuple[Structure, ...]):
    def warnings(cases: list[JobCase], plan: Plan, scale: float = 1.0) -> list[str]:
        cached = prepare_cache(cases, plan, tmp_path / "cache", structures, lambda *at: None)
        # What is read from the cache again says the same.
        again = prepare_cache(cases, plan, tmp_path / "cache", structures, lambda *at: None)
        assert cached == again
        return case_warnings(cached, structures, plan, scale)

    return warnings


def with_labels(case: JobCase, change) -> JobCase:
    labels = sitk.ReadImage(case.annotation)
    array = sitk.GetArrayFromImage(labels)
    change(array)
    edited = sitk.GetImageFromArray(array)
    edited.CopyInformation(labels)
    sitk.WriteImage(edited, case.annotation)
    return case


def test_a_usual_study_has_no_warning(make_case, warnings_of):
    cases = [make_case("a"), make_case("b", role=Role.UNLABELED), make_case("c", role=Role.VALIDATION)]
    assert warnings_of(cases, plan_2d()) == []


def test_a_structure_that_no_labeled_case_shows_is_named(make_case, warnings_of):
    cases = [make_case("a", labels=(3,)), make_case("b", role=Role.VALIDATION)]
    (warning,) = warnings_of(cases, plan_2d())
    assert warning.startswith("No labeled case shows 'muscle'")


@pytest.mark.parametrize("plan", [plan_2d(spacing=(None, 2.0, 2.0)), plan_3d(spacing=(8.0, 2.0, 2.0))])
def test_a_structure_that_vanishes_on_the_grid_is_named_with_its_cases(make_case, warnings_of, plan):
    def small(array: np.ndarray) -> None:
        array[array == 7] = 3
        array[3, 21:23, 21:23] = 7

    cases = [with_labels(make_case("a"), small), make_case("b"), with_labels(make_case("c"), small)]
    (warning,) = warnings_of(cases, plan, 0.5)
    assert "'muscle' is too small in a, c for the resolution of this training (" in warning
    assert "in_plane_scale to 1" in warning
    (warning,) = warnings_of(cases, plan)
    assert "in_plane_scale" not in warning
    assert warnings_of(cases, plan_2d()) == []


def test_many_cases_are_counted_and_images_without_contrast_named(make_case, warnings_of):
    cases = [make_case("a")]
    for number in range(7):
        case = make_case(f"u{number}", role=Role.UNLABELED)
        image = sitk.ReadImage(case.image) * 0 + number
        path = str(Path(case.image).with_name(f"flat{number}.nrrd"))
        sitk.WriteImage(image, path)
        cases.append(replace(case, image=path))
    (warning,) = warnings_of(cases, plan_2d())
    assert "u0, u1, u2, u3, u4 and 2 more" in warning and "same value" in warning


def test_an_image_of_another_unit_is_named():
    usual = [CaseFingerprint(name, (20, 200, 200), (5.0, 1.0, 1.0)) for name in "abc"]
    assert field_of_view_warnings(Fingerprint(tuple(usual), None)) == []
    cropped = CaseFingerprint("crop", (10, 60, 60), (5.0, 0.8, 0.8))
    odd = CaseFingerprint("odd", (20, 200, 200), (0.5, 0.1, 0.1))
    (warning,) = field_of_view_warnings(Fingerprint((*usual, cropped, odd), None))
    assert "of odd is" in warning and "in mm" in warning


@pytest.mark.parametrize(
    ("size", "spacing", "warned"),
    [
        ((200, 200, 10), (1.0, 1.0, 8.0), ""),
        ((60, 50, 10), (1.0, 1.0, 8.0), ""),
        ((200, 200, 10), (0.1, 0.1, 0.8), "new is only 20 mm wide, the images of the training were about 256 mm"),
    ],
)
def test_a_new_image_much_smaller_than_those_of_the_training_is_named(size, spacing, warned):
    image = sitk.GaussianSource(sitk.sitkFloat32, size)
    image.SetSpacing(spacing)
    warnings = image_warnings("new", image, plan_2d(patch=(256, 256)))
    assert len(warnings) == bool(warned) and warned in "".join(warnings)


def test_a_new_image_without_contrast_is_named():
    (warning,) = image_warnings("new", sitk.Image((40, 40, 4), sitk.sitkInt16), plan_2d())
    assert warning.startswith("All voxels of new have the same value")

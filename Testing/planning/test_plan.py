from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.planning.fingerprint import CaseFingerprint, Fingerprint, ForegroundIntensity, fingerprint
from SemiSupervisedSegLib.planning.grid import PlanGrid
from SemiSupervisedSegLib.planning.make_plan import make_plan
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Modality, Role

HOUNSFIELD = ForegroundIntensity(-80.0, 240.0, 60.0, 40.0)
PERMUTED = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def study_of(*cases: tuple[tuple[int, int, int], tuple[float, float, float]]) -> Fingerprint:
    seen = tuple(CaseFingerprint(str(i), size, spacing) for i, (size, spacing) in enumerate(cases))
    return Fingerprint(seen, HOUNSFIELD)


def plan_of(*cases, modality=Modality.MR, **settings) -> Plan:
    return make_plan(study_of(*cases), modality, 2, settings)


def test_headers_that_lost_the_spacing_still_give_slices():
    plan = plan_of(
        ((9, 256, 216), (1.0, 1.0, 1.0)), ((10, 232, 256), (1.0, 1.0, 1.0)), ((8, 256, 256), (1.0, 1.0, 1.0))
    )
    assert (plan.dimensions, plan.slice_axis, plan.patch, plan.network.backbone) == (2, 0, (256, 256), "unet_2d")
    assert plan.spacing == (None, 1.0, 1.0)


def test_thick_slices_are_2d_along_their_axis():
    plan = plan_of(((200, 30, 180), (0.9, 4.0, 0.9)))
    assert (plan.dimensions, plan.slice_axis) == (2, 1)
    assert plan.spacing == (None, 0.9, 0.9) and plan.patch == (224, 192)


def test_isotropic_volumes_are_3d_with_a_bounded_patch():
    plan = plan_of(((300, 512, 512), (1.0, 0.8, 0.8)))
    assert (plan.dimensions, plan.slice_axis, plan.network.backbone) == (3, 0, "v_net")
    assert plan.spacing == (1.0, 0.8, 0.8)
    assert np.prod(plan.patch) <= 96**3 and min(plan.patch) >= 80
    assert all(side % 16 == 0 for side in plan.patch)


def test_patch_is_no_larger_than_the_median_volume():
    assert plan_of(((20, 40, 300), (1.0, 1.0, 1.0))).patch == (32, 48, 304)
    assert plan_of(((3, 30, 30), (1.0, 1.0, 1.0)), dimension="3d").patch == (16, 32, 32)


def test_patches_on_the_structures_show_their_surroundings():
    flat, full = ((10, 256, 256), (8.0, 1.5, 1.5)), ((200, 300, 300), (1.0, 0.8, 0.8))

    def patch(case, extent, **settings):
        seen = Fingerprint(study_of(case).cases, None, extent)
        return make_plan(seen, Modality.MR, 2, {"patch_extent": "structures", **settings}).patch

    assert patch(flat, (80.0, 100.0, 60.0)) == (192, 128)
    assert patch(flat, (80.0, 100.0, 60.0), in_plane_scale=0.5) == (96, 64)
    assert patch(flat, (8.0, 6.0, 400.0)) == (64, 256), "neither smaller than useful nor larger than the image"
    assert patch(flat, (80.0, 100.0, 60.0), patch_size="128x128") == (128, 128), "a given size wins"
    assert patch(full, (32.0, 19.2, 12.0)) == (80, 64, 48)
    assert patch(full, None) == plan_of(full).patch, "no case is annotated"


def test_series_with_slices_along_different_axes_are_understood():
    cases = [((10, 240, 256), (8.0, 1.4, 1.4)), ((240, 12, 256), (1.4, 8.0, 1.4)), ((240, 256, 9), (1.4, 1.4, 8.0))]
    plan = plan_of(*cases)
    assert plan.dimensions == 2
    assert plan.spacing == (None, 1.4, 1.4) and plan.patch == (256, 256)


def test_settings_go_first():
    case = ((40, 250, 250), (1.0, 1.0, 1.0))
    plan = plan_of(case, dimension="2d", patch_size="384x320", in_plane_scale=0.5, network="monai_basic_unet")
    assert (plan.dimensions, plan.patch, plan.network.backbone) == (2, (384, 320), "monai_basic_unet_2d")
    assert plan.spacing == (None, 2.0, 2.0)
    assert plan_of(case, dimension="2d", in_plane_scale=0.5).patch == (128, 128)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"patch_size": "250x250", "dimension": "2d"}, "multiples? of 16"),
        ({"patch_size": "256x256", "dimension": "3d"}, "3D"),
        ({"patch_size": "large"}, "cannot be read"),
        ({"dimension": "4d"}, "unknown"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(UserError, match=said):
        plan_of(((40, 250, 250), (1.0, 1.0, 1.0)), **settings)


def test_ct_takes_the_study_and_mr_does_not():
    case = ((40, 64, 64), (1.0, 1.0, 1.0))
    normalization = plan_of(case, modality=Modality.CT).normalization
    assert (normalization.lower, normalization.upper, normalization.mean, normalization.std) == (-80, 240, 60, 40)
    assert plan_of(case).normalization.mean is None
    with pytest.raises(UserError, match="annotated"):
        make_plan(Fingerprint(study_of(case).cases, None), Modality.CT, 2, {})


def test_plan_survives_json():
    plan = plan_of(((30, 64, 64), (3.0, 0.7, 0.7)), modality=Modality.CT)
    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan and again.key() == plan.key()
    for broken in (
        {},
        {**plan.to_dict(), "spacing": 3},
        {**plan.to_dict(), "single_pieces": [9]},
        {**plan.to_dict(), "normalization": {"modality": "PET"}},
    ):
        with pytest.raises(UserError, match="damaged"):
            Plan.from_dict(broken)


def test_key_changes_with_what_a_case_looks_like():
    case = ((30, 64, 64), (1.0, 0.7, 0.7))
    plan = plan_of(case)
    assert plan.key() == plan_of(case, patch_size="32x32x32").key()
    others = [plan_of(case, in_plane_scale=0.5), plan_of(case, dimension="2d"), plan_of(case, modality=Modality.CT)]
    assert len({plan.key(), *(other.key() for other in others)}) == 4


def test_fingerprint_reads_headers_and_annotated_voxels(make_case, structures):
    cases = [
        make_case("a", shape=(20, 30, 40), spacing=(0.5, 0.7, 2.0), direction=PERMUTED),
        make_case("b", shape=(20, 30, 40), spacing=(0.5, 0.7, 2.0), role=Role.UNLABELED),
    ]
    progress: list[tuple[int, int]] = []
    seen = fingerprint(cases, structures, lambda *at: progress.append(at))
    assert progress == [(1, 2), (2, 2)]
    assert seen.cases[1].size == (20, 30, 40) and seen.cases[1].spacing == pytest.approx((2.0, 0.7, 0.5))
    assert sorted(seen.cases[0].size) == [20, 30, 40] and seen.cases[0].size != (20, 30, 40)
    # Structures shine at 80 and 140, the background at 20.
    assert 78 < seen.foreground.mean < 142 and seen.foreground.lower > 60
    upright = sitk.DICOMOrient(sitk.ReadImage(str(cases[0].annotation)), "LPS")
    annotated = np.argwhere(sitk.GetArrayFromImage(upright))
    assert seen.extent == pytest.approx((np.ptp(annotated, axis=0) + 1) * upright.GetSpacing()[::-1])
    plan = make_plan(seen, Modality.CT, 3, {})
    assert plan.single_pieces == seen.single_pieces == (1, 2)
    grid = PlanGrid.of(read_image(cases[0].image), plan)
    assert sorted(grid.native_shape) == [20, 30, 40]


def test_no_case_is_refused(structures):
    with pytest.raises(UserError, match="no case"):
        fingerprint([], structures, lambda done, total: None)

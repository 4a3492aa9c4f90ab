"""About how much memory and time a training takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.catalogue import resolve
from SemiSupervisedSegLib.jobs.events import StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo, read_devices
from SemiSupervisedSegLib.panel.logic.estimates import (
    describe_estimate,
    estimate,
    expected_plan,
    pace_of,
    rough_duration,
    trained_like,
)
from SemiSupervisedSegLib.planning.fingerprint import fingerprint
from SemiSupervisedSegLib.planning.make_plan import choose_dimensions, make_plan
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import Geometry
from SemiSupervisedSegLib.study.model import Modality, Role

# Measured on two cores without bfloat16 instructions: Docs/benchmarks.md.
PROCESSOR = DeviceInfo("cpu", "Processor", 4 * 10**9, 8 * 10**9, 98.0, False)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ACDC = Geometry((216, 256, 10), (1.5, 1.5, 10.0), (0.0,) * 3, IDENTITY)
ATRIUM = Geometry((240, 200, 88), (0.6, 0.6, 0.6), (0.0,) * 3, IDENTITY)
SAGITTAL = Geometry((216, 256, 20), (1.0, 1.0, 4.0), (0.0,) * 3, (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0))


def test_the_estimate_is_near_what_was_measured() -> None:
    settings = resolve("mean_teacher", "paper", {"steps": 100}, 2)
    expected = estimate((256, 256), settings, PROCESSOR)
    assert 0.5 < expected.seconds / 540 < 2.0


def test_half_precision_and_smaller_batches_need_less() -> None:
    patch, settings = (256, 256), resolve("cu2l", "standard", {}, 2)
    full = estimate(patch, settings, PROCESSOR)
    assert estimate(patch, settings | {"precision": "bfloat16"}, PROCESSOR).memory < full.memory
    assert estimate(patch, settings | {"labeled_batch": 1}, PROCESSOR).memory < full.memory
    assert estimate(patch, settings, None).seconds is None
    assert "first steps" in describe_estimate(estimate(patch, settings, None), None)


@pytest.mark.parametrize("method", ["mean_teacher", "supervised"])
@pytest.mark.parametrize(
    ("geometries", "overrides"),
    [
        ([ACDC], {}),
        ([ACDC, ATRIUM, ATRIUM], {"in_plane_scale": 0.5}),
        ([ACDC], {"patch_size": "64x64"}),
        ([ACDC], {"dimension": "3d"}),
        ([ATRIUM], {}),
        ([ATRIUM], {"dimension": "2d", "network": "monai_basic_unet"}),
        ([SAGITTAL], {}),
        ([Geometry((20, 40, 30), (1.0, 1.0, 1.0), (0.0,) * 3, IDENTITY)], {}),
    ],
)
def test_the_expected_plan_is_the_one_that_the_worker_makes(
    method: str, geometries: list[Geometry], overrides: dict, tmp_path: Path
) -> None:
    cases = []
    for number, geometry in enumerate(geometries):
        image = sitk.Image(geometry.size, sitk.sitkUInt8)
        image.SetSpacing(geometry.spacing)
        image.SetDirection(geometry.direction)
        sitk.WriteImage(image, tmp_path / f"{number}.nrrd", useCompression=True)
        path = str(tmp_path / f"{number}.nrrd")
        cases.append(JobCase(str(number), path, "here", Role.UNLABELED, external=False))
    seen = fingerprint(cases, (), lambda done, total: None)
    dimensions = choose_dimensions(seen, overrides.get("dimension", "auto"))
    settings = resolve(method, "quick", overrides, dimensions)
    expected = expected_plan(geometries, method, "quick", overrides)
    assert expected.plan == make_plan(seen, Modality.MR, 2, settings)
    assert expected.settings == settings


def test_without_an_image_slices_are_expected() -> None:
    assert expected_plan([], "supervised", "quick", {}).plan.dimensions == 2
    with pytest.raises(UserError, match="3D"):
        expected_plan([], "supervised", "quick", {"dimension": "3d", "patch_size": "64x64"})


def test_the_pace_of_an_earlier_round_counts_when_it_was_alike(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "001-cpcl")
    settings = resolve("cpcl", "quick", {}, 2)
    values = {"kind": "train", "method": "cpcl", "preset": "quick", "settings": {}, "device": "cpu", "seed": 0}
    folder.write_spec(JobSpec(**values, study_name="x", modality=None, structures=(), cases=()))
    assert not trained_like(folder, "cpcl", settings, "cpu")
    (folder.path / "plan.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")
    assert trained_like(folder, "cpcl", settings, "cpu")
    assert not trained_like(folder, "cpcl", settings, "cuda:0")
    assert not trained_like(folder, "cpcl", settings | {"labeled_batch": 9}, "cpu")
    assert pace_of(folder) is None
    for step in (10, 20):
        folder.append_event(StepDone("train", step, 100, {}, 0.01, seconds_left=(100 - step) * 0.5))
    assert pace_of(folder) == pytest.approx(0.5)
    expected = estimate((64, 64), settings, PROCESSOR, pace_of(folder))
    assert expected.seconds == pytest.approx(300)
    assert "about 5 minutes, as the last round did" in describe_estimate(expected, PROCESSOR)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "less than a minute"),
        (60, "about a minute"),
        (400, "about 7 minutes"),
        (3000, "about 50 minutes"),
        (7200, "about 2 hours"),
        (4 * 86400, "about 4 days"),
    ],
)
def test_durations_promise_no_more_than_is_known(seconds: float, words: str) -> None:
    assert rough_duration(seconds) == words


def test_a_damaged_answer_of_the_probe_is_refused() -> None:
    for text in ("", "hello", "[]", '{"devices": [{"name": "cpu"}]}', '{"devices": 4}'):
        with pytest.raises(ValueError, match=r".+"):
            read_devices(text)

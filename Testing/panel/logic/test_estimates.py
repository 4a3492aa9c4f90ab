"""About how much memory and time a training takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.catalogue import resolve
from SemiSupervisedSegLib.jobs.events import Progress, StageStarted, StepDone, Validated
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.records import to_plain
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo, read_devices
from SemiSupervisedSegLib.panel.logic.estimates import (
    describe_estimate,
    estimate,
    expected_memory,
    expected_plan,
    factors_of,
    rough_duration,
    trained_like,
)
from SemiSupervisedSegLib.panel.logic.round_times import (
    CaseCounts,
    RoundTimes,
    expected_times,
    finishing_seconds,
    measured_times,
    steps_seconds,
)
from SemiSupervisedSegLib.panel.remembered_times import remember_times, remembered_times
from SemiSupervisedSegLib.planning.fingerprint import fingerprint
from SemiSupervisedSegLib.planning.make_plan import choose_dimensions, make_plan
from SemiSupervisedSegLib.planning.round_plan import write_round_plan
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import Geometry
from SemiSupervisedSegLib.study.model import Modality, Role

HERE = "this computer"
# Measured on two cores without bfloat16 instructions: Docs/benchmarks.md.
PROCESSOR = DeviceInfo("cpu", "Processor", 4 * 10**9, 8 * 10**9, 98.0, False)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ACDC = Geometry((216, 256, 10), (1.5, 1.5, 10.0), (0.0,) * 3, IDENTITY)
ATRIUM = Geometry((240, 200, 88), (0.6, 0.6, 0.6), (0.0,) * 3, IDENTITY)
SAGITTAL = Geometry((216, 256, 20), (1.0, 1.0, 4.0), (0.0,) * 3, (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0))


def test_the_estimate_is_near_what_was_measured() -> None:
    """Two cores without bfloat16: 100 steps of slices; one core with it: a step of the U-Net and of the V-Net."""
    slices = expected_plan([ACDC], "mean_teacher", "paper", {"steps": 100, "dimension": "2d"})
    assert 0.5 < estimate(slices, [ACDC], CaseCounts(), PROCESSOR).steps / 540 < 2.0
    core = DeviceInfo("cpu", "Processor", 4 * 10**9, 8 * 10**9, 473.0, True)
    for images, network, patch, batch, seconds in (
        ([ACDC], "unet_2d", "64x64", 4, 0.035),
        ([ACDC], "unet_2d", "128x128", 8, 0.178),
        ([ATRIUM], "v_net", "64x64x48", 1, 0.251),
    ):
        overrides = {"network": network, "patch_size": patch, "labeled_batch": batch, "steps": 1}
        plan = expected_plan(images, "supervised", "quick", overrides)
        assert 0.5 < expected_times(plan.plan, plan.settings, images, core).step / seconds < 2.2


def test_patches_on_structures_are_expected_to_show_half_of_the_image() -> None:
    whole = expected_plan([ACDC], "self_training", "quick", {"in_plane_scale": 1.0, "patch_extent": "image"})
    assert whole.plan.patch == (256, 224)
    assert expected_plan([ACDC], "self_training", "quick", {"in_plane_scale": 1.0}).plan.patch == (128, 128)


def test_validations_previews_and_the_segmentation_at_the_end_are_counted() -> None:
    settings = {"steps": 100, "validation_interval": 30, "preview_interval": 40}
    times = RoundTimes(step=1.0, validated=2.0, segmented=5.0)
    assert steps_seconds(times, settings | {"preview_interval": 0}, CaseCounts()) == 100
    # After steps 30, 60, 90 and 100; and after 40 and 80 three cases, with prototypes of four.
    assert steps_seconds(times, settings, CaseCounts(3, 10)) == 100 + 4 * 3 * 2 + 2 * (3 * 5 + 4 * 2)
    assert steps_seconds(times, settings | {"validation_interval": 0, "preview_interval": 0}, CaseCounts(3, 10)) == 106
    assert finishing_seconds(times, CaseCounts(3, 10)) == 50
    assert steps_seconds(RoundTimes(), settings, CaseCounts(3, 10)) is None


def test_windows_that_overlap_are_counted_as_often_as_they_are_segmented() -> None:
    plan = expected_plan([ATRIUM], "supervised", "standard", {"patch_size": "48x96x96", "in_plane_scale": 1.0})
    device, sizes = PROCESSOR, []
    for overlap in (0.0, 0.5):
        times = expected_times(plan.plan, plan.settings | {"window_overlap": overlap}, [ATRIUM], device)
        sizes.append(times.validated)
    assert sizes[1] == pytest.approx(sizes[0] * (3 * 4 * 4) / (2 * 3 * 3), rel=0.4)
    assert times.segmented > times.validated


def test_half_precision_and_smaller_batches_need_less() -> None:
    patch, settings = (256, 256), resolve("cu2l", "standard", {}, 2)
    full = expected_memory(patch, settings, PROCESSOR)
    assert expected_memory(patch, settings | {"precision": "bfloat16"}, PROCESSOR) < full
    assert expected_memory(patch, settings | {"labeled_batch": 1}, PROCESSOR) < full
    unknown = estimate(expected_plan([], "cu2l", "standard", {}), [], CaseCounts(), None)
    assert unknown.steps is None
    assert "first steps" in describe_estimate(unknown, None)


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


def earlier_round(folder: JobFolder, overrides: dict, host: str = HERE) -> None:
    """Write the files of a finished round of 4 cases, of which 2 were for validation."""
    values = {"kind": "train", "method": "cpcl", "preset": "quick", "settings": {}, "device": "cpu", "seed": 0}
    folder.write_spec(JobSpec(**values, study_name="x", modality=None, structures=(), cases=()))
    write_round_plan(folder, expected_plan([ACDC], "cpcl", "quick", overrides))
    time = 1000.0
    for step in (10, 20, 30):
        time += 5.0
        folder.append_event(StepDone("train", step, 30, {}, 0.01, (30 - step) * 0.5, time=time))
    predicted = [Progress("predict", done, 4) for done in (1, 2, 3, 4)]
    stages = [Validated(30, {}, 0.0), StageStarted("predict", "", 4), *predicted, StageStarted("evaluate", "", 2)]
    for event in stages:
        folder.append_event(replace(event, time=(time := time + 3.0)))
    status = folder.write_status("finished")
    (folder.path / "status.json").write_text(json.dumps(to_plain(replace(status, host=host))), encoding="utf-8")


def test_what_a_round_took_is_read_from_its_events(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "001-cpcl")
    earlier_round(folder, {})
    assert measured_times(folder.events()[0]) == RoundTimes(step=0.5, validated=1.5, segmented=3.0)
    assert measured_times([]) == RoundTimes()


def test_earlier_rounds_of_this_computer_correct_the_estimate(tmp_path: Path) -> None:
    folder, images = JobFolder(tmp_path / "001-cpcl"), [ACDC]
    plan = expected_plan(images, "cpcl", "quick", {"steps": 100})
    assert factors_of(folder, images, PROCESSOR, HERE) is None
    assert not trained_like(folder, "cpcl", plan.settings, "cpu")
    earlier_round(folder, {"steps": 30})
    factors = factors_of(folder, images, PROCESSOR, HERE)
    like = estimate(plan, images, CaseCounts(2, 4), PROCESSOR, factors, folder.name)
    assert trained_like(folder, "cpcl", plan.settings, "cpu")
    # No validation but the last, and no preview: the preset has an interval of 200.
    assert like.steps == pytest.approx(100 * 0.5 + 2 * 1.5)
    assert like.finishing == pytest.approx(4 * 3.0)
    assert "about a minute, as 001-cpcl did, with the segmentation" in describe_estimate(like, PROCESSOR)
    # Twice the images: twice the measured pace, but for what a step takes however small it is.
    larger = expected_plan(images, "cpcl", "quick", {"steps": 100, "labeled_batch": 8, "unlabeled_batch": 8})
    assert not trained_like(folder, "cpcl", larger.settings, "cpu")
    assert 1.4 < estimate(larger, images, CaseCounts(), PROCESSOR, factors).steps / 50 <= 2.0
    assert factors_of(folder, images, replace(PROCESSOR, name="cuda:0"), HERE) is None
    earlier_round(folder, {}, host="another computer")
    assert factors_of(folder, images, PROCESSOR, HERE) is None


def test_times_are_kept_for_other_studies_of_this_computer(tmp_path: Path) -> None:
    preferences, factors = Kept(), RoundTimes(4.0, None, 2.0)
    assert remembered_times(preferences, "cuda:0") is None
    remember_times(preferences, "cuda:0", factors)
    assert remembered_times(preferences, "cuda:0") == factors
    assert remembered_times(preferences, "cpu") is None
    for key in preferences.values:
        preferences.setValue(key, "[1")
    assert remembered_times(preferences, "cuda:0") is None


class Kept:
    """Stands for QSettings."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def value(self, key: str, default: str | None = None) -> str | None:
        return self.values.get(key, default)

    def setValue(self, key: str, value: str) -> None:
        self.values[key] = value


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

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SemiSupervisedSegLib.jobs import catalogue
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue, read_catalogue, resolve
from SemiSupervisedSegLib.jobs.settings import Setting
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Modality

CATALOGUE = load_catalogue()
METHODS = tuple(CATALOGUE.methods)
SETTINGS = [(name, setting) for name in METHODS for setting in CATALOGUE.method(name).settings]


@pytest.mark.parametrize("method", METHODS)
def test_every_preset_gives_every_setting_in_its_type_and_range(method: str) -> None:
    entry = CATALOGUE.method(method)
    for preset, dimensions in itertools.product(CATALOGUE.presets, (None, 2, 3)):
        values = resolve(method, preset, {}, dimensions)
        assert set(values) == {setting.name for setting in entry.settings} | set(CATALOGUE.streamed)
        for setting in entry.settings:
            value = values[setting.name]
            assert setting.parse(value) == value
            assert type(setting.parse(value)) is type(value)


@pytest.mark.parametrize("method", METHODS)
def test_the_form_has_words_for_everything(method: str) -> None:
    entry = CATALOGUE.method(method)
    assert entry.summary.endswith(".")
    assert all(setting.title and setting.help.endswith(".") for setting in entry.settings)
    assert len({setting.title for setting in entry.settings}) == len(entry.settings)


def test_an_hour_is_like_quick_for_longer() -> None:
    quick, hour = (resolve("mean_teacher", preset, {}, 2) for preset in ("quick", "hour"))
    assert {name for name in quick if quick[name] != hour[name]} == {
        "steps",
        "labeled_batch",
        "unlabeled_batch",
        "validation_interval",
        "preview_interval",
    }
    assert hour["consistency_weight"] == 10
    own = resolve("self_training", "hour", {}, 2)
    assert (own["steps"], own["in_plane_scale"], own["learning_rate"]) == (5600, 1.0, 0.003)


def test_the_papers_numbers() -> None:
    cu2l = resolve("cu2l", "paper", {}, 2)
    assert [cu2l[f"{stream}_batch"] for stream in ("labeled", "unlabeled", "external")] == [12, 12, 12]
    published = {"steps": 20000, "consistency_weight": 0.1, "ramp_steps": 0, "patch_size": "384x384", "regions": 2}
    published |= {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4, "learning_rate_schedule": "poly"}
    published |= {"threshold_start": 0.75, "threshold_end": 0.9, "temperature": 0.05, "prototype_decay": 0.9}
    assert {name: cu2l[name] for name in published} == published
    cpcl = resolve("cpcl", "paper", {}, 3)
    published = {"steps": 20000, "labeled_batch": 2, "unlabeled_batch": 2, "patch_size": "96x96x96", "beta": 10.0}
    published |= {"similarity_scale": 20.0, "network": "unet_3d", "use_mean_teacher": False, "ema_decay": 0.99}
    assert {name: cpcl[name] for name in published} == published
    assert int(96 * (1 - cpcl["window_overlap"])) == 64


@pytest.mark.parametrize(
    ("method", "stride", "largest_component", "augmentation"),
    [
        ("ss_net", "4x18x18", True, "rotations"),
        ("bcp", "4x18x18", True, "rotations"),
        ("ua_mt", "4x18x18", False, "rotations"),
        ("mc_net", "4x18x18", False, "rotations"),
        ("aua", "16x16x16", False, "none"),
        ("unisemi", "4x16x16", False, "none"),
        ("cpcl", "auto", False, "rotations"),
    ],
)
def test_volumes_are_trained_and_segmented_as_published(method, stride, largest_component, augmentation) -> None:
    values = resolve(method, "paper", {}, 3)
    found = (values["window_stride"], values["largest_component"], values["augmentation"])
    assert found == (stride, largest_component, augmentation)


def test_the_paper_of_ss_net_weights_its_memory_and_the_released_code_does_not() -> None:
    assert resolve("ss_net", "paper", {}, 2)["weight_memory"] is True
    assert resolve("ss_net", "paper", {"fidelity": "released_code"}, 2)["weight_memory"] is False


@pytest.mark.parametrize("method", ["mean_teacher", "ua_mt"])
def test_a_ramp_of_30000_steps_belongs_to_30000_steps(method) -> None:
    values = resolve(method, "paper", {"fidelity": "released_code"}, 2)
    assert values["steps"] == values["ramp_steps"] == 30000


def test_released_batches_and_patches() -> None:
    unisemi = resolve("unisemi", "paper", {"fidelity": "released_code"}, 3)
    assert (unisemi["labeled_batch"], unisemi["unlabeled_batch"]) == (8, 8)
    assert resolve("cpcl", "paper", {"fidelity": "released_code"}, 3)["patch_size"] == "80x112x112"


def test_the_released_code_differs_and_the_user_wins() -> None:
    values = resolve("cpcl", "paper", {"fidelity": "released_code", "steps": 77}, 3)
    assert (values["network"], values["ramp_unit"], values["ramp_steps"]) == ("v_net", "block150", 6000)
    assert values["steps"] == 77
    assert resolve("cpcl", "paper", {"fidelity": "released_code"}, 3)["steps"] == 10000
    assert resolve("cpcl", "paper", {"fidelity": "released_code"}, 2)["network"] == "unet_2d"
    assert resolve("mean_teacher", "quick", {"fidelity": "released_code"}, 2)["consistency_start"] == 1000
    assert resolve("mean_teacher", "quick", {"fidelity": "released_code"}, 3)["consistency_start"] == 0


def test_dimension_comes_from_the_user_when_nobody_else_knows() -> None:
    assert resolve("cu2l", "quick", {"dimension": "3d"})["labeled_batch"] == 1
    assert resolve("cu2l", "quick", {"dimension": "2d"})["labeled_batch"] == 4


def test_streams_that_a_method_does_not_use_are_empty() -> None:
    values = resolve("supervised", "paper", {}, 2)
    assert (values["labeled_batch"], values["unlabeled_batch"], values["external_batch"]) == (24, 0, 0)
    with pytest.raises(UserError, match="no setting 'unlabeled_batch'"):
        resolve("supervised", "quick", {"unlabeled_batch": 4})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"step": 5}, "Did you mean steps"),
        ({"steps": 0}, "whole number from 1 to"),
        ({"steps": "2.5"}, "whole number"),
        ({"steps": 2.5}, "whole number"),
        ({"steps": True}, "whole number"),
        ({"steps": "9" * 5000}, "whole number"),
        ({"learning_rate": "nan"}, "a number from"),
        ({"learning_rate": "inf"}, "a number from"),
        ({"learning_rate": 10**400}, "a number from"),
        ({"optimizer": "SGD"}, "one of sgd, adam"),
        ({"largest_component": "maybe"}, "true or false"),
        ({"patch_size": "256"}, "auto, or sides"),
        ({"patch_size": "256x0"}, "auto, or sides"),
        ({"patch_size": "64x64x64"}, "does not fit 2D"),
        ({"window_stride": "4x18x18"}, "step between windows 4x18x18 does not fit 2D"),
        ({"network": "v_net"}, "does not work in 2D"),
        ({"fidelity": "released_code"}, "has no setting 'fidelity'"),
    ],
)
def test_values_out_of_range_are_refused_in_words(overrides: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve("cu2l", "standard", overrides, 2)


def test_unknown_methods_and_presets_are_refused_in_words() -> None:
    with pytest.raises(UserError, match="Did you mean cpcl"):
        resolve("cpl", "quick")
    with pytest.raises(UserError, match="Choose one of: quick, hour, standard, paper"):
        resolve("cpcl", "zzz")


@given(st.sampled_from(SETTINGS), st.integers() | st.floats() | st.booleans() | st.text(max_size=12))
def test_any_value_of_any_setting_is_in_range_or_refused(chosen: tuple[str, Setting], value: object) -> None:
    method, setting = chosen
    try:
        parsed = CATALOGUE.method(method).check({setting.name: value})[setting.name]
    except UserError:
        return
    assert setting.parse(str(parsed)) == parsed
    if setting.kind in ("integer", "number"):
        assert setting.minimum <= parsed <= setting.maximum


def test_text_is_read_as_the_user_meant_it() -> None:
    values = resolve("cu2l", "quick", {"steps": " 20 ", "learning_rate": "1e-3", "use_stability": "no"}, 2)
    assert (values["steps"], values["learning_rate"], values["use_stability"]) == (20, 1e-3, False)


def copy_of_the_catalogue(folder: Path) -> Path:
    return Path(shutil.copytree(Path(catalogue.__file__).with_name("methods"), folder / "methods"))


def test_the_files_of_a_folder_are_a_catalogue(tmp_path: Path) -> None:
    assert read_catalogue(copy_of_the_catalogue(tmp_path)) == CATALOGUE


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "_presets.toml",
            '[presets.odd]\ntitle = "a"\nhelp = "b"\nvalues = { stops = 1 }\n',
            "preset odd changes 'stops'",
        ),
        ("bcp.toml", "[presets.standard]\nvalues = { ramp_steps = 1 }\n", "method bcp changes 'ramp_steps'"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = copy_of_the_catalogue(tmp_path)
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(ValueError, match=message):
        read_catalogue(folder)


@pytest.mark.parametrize(
    ("method", "sizes", "dimensions"),
    [
        ("bcp", {"labeled_batch": 3, "unlabeled_batch": 3}, 2),
        ("bcp", {"labeled_batch": 2}, 2),
        ("bcp", {"labeled_batch": 3}, None),
        ("cpcl", {"labeled_batch": 3, "fidelity": "released_code"}, 2),
    ],
)
def test_batches_that_a_method_cannot_pair_are_refused_before_anything_is_done(method, sizes, dimensions) -> None:
    with pytest.raises(UserError, match="to the same"):
        resolve(method, "standard", sizes, dimensions)


def test_batches_that_a_method_can_pair_are_accepted() -> None:
    # Twelve of both in 2D; whether it is 2D, the images decide later.
    assert resolve("bcp", "standard", {"labeled_batch": 12})["labeled_batch"] == 12
    assert resolve("cpcl", "standard", {"labeled_batch": 3}, 2)["labeled_batch"] == 3
    released = {"labeled_batch": 3, "unlabeled_batch": 3, "fidelity": "released_code"}
    assert resolve("cpcl", "standard", released, 2)["unlabeled_batch"] == 3


def test_a_job_of_an_older_program_may_set_what_its_method_does_not_read() -> None:
    spec = train_spec("bcp", {"steps": 7, "inference_network": "teacher", "fidelity": "paper", "ramp_steps": 3})
    values = CATALOGUE.resolve_job(spec, 2)
    assert values == resolve("bcp", "standard", {"steps": 7}, 2)
    with pytest.raises(UserError, match="has no setting 'setps'"):
        CATALOGUE.resolve_job(train_spec("bcp", {"setps": 7}), 2)


def train_spec(method: str, settings: dict) -> JobSpec:
    return JobSpec("train", method, "standard", settings, "cpu", 0, "study", Modality.MR, (), ())


def test_networks_have_a_backbone_in_their_dimensions() -> None:
    assert [CATALOGUE.backbone("auto", dimensions) for dimensions in (2, 3)] == ["unet_2d", "v_net"]
    assert CATALOGUE.backbone("monai_basic_unet", 3) == "monai_basic_unet_3d"
    with pytest.raises(UserError, match="does not work in 2D"):
        CATALOGUE.backbone("v_net", 2)

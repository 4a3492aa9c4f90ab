from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.connected_components import largest_components
from SemiSupervisedSegLib.engine.inference.sliding_window import GridPrediction
from SemiSupervisedSegLib.engine.inference.write import (
    read_classes,
    write_case_prediction,
)
from SemiSupervisedSegLib.jobs.results import CaseSummary, read_summary
from SemiSupervisedSegLib.jobs.structure_maps import SHARES, structure_map
from SemiSupervisedSegLib.planning.preprocess import labels_to_plan_grid
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import same_grid

FILES = {
    "final.seg.nrrd",
    "prototype.seg.nrrd",
    "probability.nrrd",
    "uncertainty.nrrd",
    "disagreement.nrrd",
    "probability-1.nrrd",
    "probability-2.nrrd",
    "summary.json",
}


WRONG_TYPES = json.dumps({field.name: "a" for field in dataclasses.fields(CaseSummary)})


def oblique_image(size=(20, 24, 6), spacing=(0.8, 0.7, 5.0)) -> sitk.Image:
    image = sitk.Image(list(size), sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin((-12.5, 40.0, 7.25))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.3, 2.8)
    image.SetDirection(turn.GetMatrix())
    return image


def on_grid(classes: np.ndarray, image: sitk.Image, plan) -> torch.Tensor:
    """Sure probabilities (C, *grid) of a class map given on the image's grid."""
    class_map = sitk.GetImageFromArray(classes)
    class_map.CopyInformation(image)
    grid = torch.as_tensor(labels_to_plan_grid(class_map, plan)).long()
    return torch.nn.functional.one_hot(grid, plan.num_classes).movedim(-1, 0).float()


@pytest.fixture
def scene(plan_of):
    image = oblique_image()
    plan = plan_of((32, 32), 3, spacing=(None, 0.7, 0.8))
    classes = np.zeros((6, 24, 20), np.uint8)
    classes[1:5, 4:14, 5:15] = 1
    classes[2:4, 14:20, 5:15] = 2
    other = classes.copy()
    other[1, 4:14, 5:15] = 0
    other[5, 20:23, 1:4] = 2
    prediction = GridPrediction(on_grid(classes, image, plan), on_grid(other, image, plan))
    return image, plan, classes, other, prediction


def test_files_lie_on_the_original_grid_with_the_right_voxels(tmp_path, scene, structures):
    image, plan, classes, other, prediction = scene
    write_case_prediction(tmp_path, "case-1", prediction, plan, image, structures, False)
    folder = tmp_path / "case-1"
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["case-1"]
    for name in FILES - {"summary.json"}:
        assert same_grid(sitk.ReadImage(str(folder / name)), image), name
    assert np.array_equal(read_classes(folder / "final.seg.nrrd", structures), classes)
    annotation = read_annotation(folder / "prototype.seg.nrrd", structures, image)
    assert np.array_equal(sitk.GetArrayViewFromImage(annotation), other)
    mask = sitk.ReadImage(str(folder / "disagreement.nrrd"))
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayViewFromImage(mask), classes != other)
    for index in (1, 2):
        shares = sitk.ReadImage(str(folder / structure_map(index)))
        assert shares.GetPixelID() == sitk.sitkUInt8
        assert np.array_equal(sitk.GetArrayViewFromImage(shares), SHARES * (classes == index))
    for name in ("probability.nrrd", "uncertainty.nrrd"):
        assert sitk.ReadImage(str(folder / name)).GetPixelID() == sitk.sitkFloat32


def test_summary_has_volumes_in_millilitres_and_the_agreement(tmp_path, scene, structures):
    image, plan, _classes, _other, prediction = scene
    summary = write_case_prediction(tmp_path, "a", prediction, plan, image, structures, False)
    voxel = 0.8 * 0.7 * 5.0 / 1000
    assert summary.volume_final_ml["Left ventricle"] == pytest.approx(400 * voxel)
    assert summary.volume_prototype_ml["Left ventricle"] == pytest.approx(300 * voxel)
    assert summary.dice["Left ventricle"] == pytest.approx(2 * 300 / 700)
    overlaps = summary.dice["Left ventricle"], 2 * 120 / (120 + 129)
    assert summary.disagreement == pytest.approx(1 - sum(overlaps) / 2, abs=1e-3)
    assert summary.mean_uncertainty == pytest.approx(0, abs=1e-6)
    assert summary.expected_dice == {"Left ventricle": 1.0, "Myocardium": 1.0}
    assert summary.uncertainty == 0.0
    assert read_summary(tmp_path / "a") == summary


def test_largest_component_drops_islands_of_both_predictions(tmp_path, scene, structures):
    image, plan, classes, other, prediction = scene
    write_case_prediction(tmp_path, "a", prediction, plan, image, structures, True)
    other[5, 20:23, 1:4] = 0
    assert np.array_equal(read_classes(tmp_path / "a" / "prototype.seg.nrrd", structures), other)
    assert np.array_equal(read_classes(tmp_path / "a" / "final.seg.nrrd", structures), classes)


def test_islands_of_a_structure_that_has_several_pieces_in_annotations_stay(tmp_path, scene, structures):
    image, plan, _classes, other, prediction = scene
    plan = dataclasses.replace(plan, single_pieces=(1,))
    write_case_prediction(tmp_path, "a", prediction, plan, image, structures, True)
    assert np.array_equal(read_classes(tmp_path / "a" / "prototype.seg.nrrd", structures), other)


def test_diagonal_neighbours_are_connected():
    classes = np.zeros((3, 4, 4), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 1] = classes[2, 2, 2] = 1
    classes[0, 3, 3] = 1
    classes = largest_components(classes, [1])
    assert classes.sum() == 3
    assert classes[0, 3, 3] == 0


def test_nothing_predicted_is_written_and_read(tmp_path, scene, structures):
    image, plan, classes, _, _ = scene
    nothing = on_grid(np.zeros_like(classes), image, plan)
    summary = write_case_prediction(tmp_path, "a", GridPrediction(nothing, nothing), plan, image, structures, True)
    assert summary.volume_final_ml == {"Left ventricle": 0.0, "Myocardium": 0.0}
    assert (summary.mean_uncertainty, summary.uncertainty, summary.disagreement) == (0.0, 0.0, 0.0)
    assert not read_classes(tmp_path / "a" / "final.seg.nrrd", structures).any()


@pytest.mark.parametrize("case", ["a", "b"])
def test_no_space_left_keeps_the_older_prediction(tmp_path, plan_of, structures, largest_file, case):
    image, plan = oblique_image((64, 64, 8), (1.0, 1.0, 5.0)), plan_of((64, 64), 3)
    sure = on_grid(np.ones((8, 64, 64), np.uint8), image, plan)
    write_case_prediction(tmp_path, "a", GridPrediction(sure, sure), plan, image, structures, False)
    noise = torch.rand(sure.shape, generator=torch.Generator().manual_seed(0)).softmax(0)
    with largest_file(20_000), pytest.raises(UserError, match="no space left"):
        write_case_prediction(tmp_path, case, GridPrediction(noise, noise), plan, image, structures, False)
    assert os.listdir(tmp_path) == ["a"]
    assert {path.name for path in (tmp_path / "a").iterdir()} == FILES
    assert read_classes(tmp_path / "a" / "final.seg.nrrd", structures).all()


def test_a_second_prediction_replaces_the_first(tmp_path, scene, structures):
    image, plan, _classes, other, prediction = scene
    write_case_prediction(tmp_path, "a", prediction, plan, image, structures, False)
    swapped = GridPrediction(prediction.prototype, prediction.final)
    write_case_prediction(tmp_path, "a", swapped, plan, image, structures, False)
    assert np.array_equal(read_classes(tmp_path / "a" / "final.seg.nrrd", structures), other)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("text", ['{"case": "a"', "[" * 100_000, WRONG_TYPES])
def test_a_damaged_summary_is_explained(tmp_path, text):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "summary.json").write_text(text)
    with pytest.raises(UserError, match="prediction of case a cannot be read"):
        read_summary(tmp_path / "a")

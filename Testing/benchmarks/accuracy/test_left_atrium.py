from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study

from .left_atrium import FILE, SUBFOLDER, make_study

TRAINING, TEST = ("AAA", "BBB", "CCC"), ("DDD",)


def write_scan(folder: Path, seed: int, **changes: object) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(7, 6, 5)).astype(np.float32)
    label = np.zeros(image.shape, np.uint8)
    label[2:5, 1:3, 3] = 1
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / FILE, "w") as file:
        for name, values in ({"image": image, "label": label} | changes).items():
            if values is not None:
                file.create_dataset(name, data=values, compression="gzip")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for number, scan in enumerate((*TRAINING, *TEST)):
        write_scan(folder / SUBFOLDER / scan, number)
    (folder / "train.list").write_text("\n".join(TRAINING) + "\n")
    (folder / "test.list").write_text("\r\n".join(TEST))
    return folder


def test_first_scans_are_labeled_and_test_scans_are_validation_cases(data: Path, tmp_path: Path) -> None:
    make_study(data, tmp_path / "study", 2)
    study = load_study(tmp_path / "study")
    roles = {role: [case.id for case in study.cases_of(role)] for role in Role}
    assert roles[Role.LABELED] == ["AAA", "BBB"]
    assert roles[Role.UNLABELED] == ["CCC"]
    assert roles[Role.VALIDATION] == ["DDD"]
    assert not study.case("CCC").annotation
    assert not (study.folder / "annotations" / "CCC.nrrd").exists()


def test_an_element_of_the_file_is_the_voxel_of_the_same_index(data: Path, tmp_path: Path) -> None:
    study = make_study(data, tmp_path / "study", 2)
    case = study.case("BBB")
    image = read_image(study.image_path(case))
    annotation = read_annotation(study.annotation_path(case), study.structures, image)
    with h5py.File(data / SUBFOLDER / "BBB" / FILE) as file:
        voxels, label = file["image"][()], file["label"][()]
    assert image.GetSize() == voxels.shape
    assert image.GetPixelID() == sitk.sitkFloat32
    assert image.GetSpacing() == (0.625, 0.625, 0.625)
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    for index in np.ndindex(voxels.shape):
        assert image[index] == voxels[index]
        assert annotation[index] == label[index]


def test_scans_may_lie_beside_the_lists(data: Path, tmp_path: Path) -> None:
    for scan in (*TRAINING, *TEST):
        (data / SUBFOLDER / scan).rename(data / scan)
    assert len(make_study(data, tmp_path / "study", 1).cases) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": None}, "has no dataset 'label'"),
        ({"image": np.array([b"text"])}, "has no dataset 'image' of numbers"),
        ({"image": np.zeros((7, 6, 4), np.float32)}, "are not two volumes of one shape"),
        ({"image": np.zeros((7, 6), np.float32), "label": np.zeros((7, 6), np.uint8)}, "are not two volumes"),
        ({"image": np.full((7, 6, 5), np.nan, np.float32)}, "not a number or infinite"),
        ({"label": np.full((7, 6, 5), 2, np.uint8)}, "has other values than 0 and 1"),
        ({"label": np.zeros((7, 6, 5), np.uint8)}, "or is empty"),
    ],
)
def test_bad_scans_end_in_one_sentence(data: Path, tmp_path: Path, changes: dict, words: str) -> None:
    write_scan(data / SUBFOLDER / "BBB", 1, **changes)
    with pytest.raises(UserError, match="BBB") as raised:
        make_study(data, tmp_path / "study", 2)
    assert words in raised.value.message
    assert raised.value.message.endswith(".")


def test_damaged_files_end_in_one_sentence(data: Path, tmp_path: Path) -> None:
    path = data / SUBFOLDER / "BBB" / FILE
    content = path.read_bytes()
    for number, damaged in enumerate((b"", b"no HDF5 at all", content[: len(content) // 2])):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"BBB/mri_norm2\.h5 is damaged"):
            make_study(data, tmp_path / f"study-{number}", 2)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("train.list", "", r"train\.list is empty"),
        ("train.list", "AAA\nAAA\n", "'AAA', which is no id or occurs twice"),
        ("train.list", "../AAA\n", "which is no id"),
        ("train.list", "AAA\nEEE\n", r"no mri_norm2\.h5 of the scan EEE"),
        ("test.list", "AAA\n", r"AAA is in train\.list and in test\.list"),
    ],
)
def test_bad_lists_end_in_one_sentence(data: Path, tmp_path: Path, name: str, text: str, words: str) -> None:
    (data / name).write_text(text)
    with pytest.raises(UserError, match=words):
        make_study(data, tmp_path / "study", 1)


def test_more_labeled_scans_than_there_are_are_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4 scans cannot be labeled"):
        make_study(data, tmp_path / "study", 4)
    assert not (tmp_path / "study" / STUDY_FILE).exists()

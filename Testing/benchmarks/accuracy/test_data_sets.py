from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Modality, Role
from SemiSupervisedSegLib.study.store import load_study

from . import import_images
from .data_set_files import BOX, SIZE, SPACING, write_case, write_data_set
from .data_sets import Files, all_data_sets, data_set, find_files, split
from .import_images import make_study
from .prepare import prepared
from .published import published_rows

NAMES = list(all_data_sets())


def local_site(name: str) -> str:
    return "RUNMC" if data_set(name).sites else ""


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_in_its_layout_becomes_a_study(name: str, tmp_path: Path) -> None:
    units = write_data_set(name, tmp_path / "data")
    make_study(name, tmp_path / "data", tmp_path / "study", local_site(name))
    study, entry = load_study(tmp_path / "study"), data_set(name)
    assert [entry.unit(case.id) for case in study.cases_of(Role.LABELED)] == units[:3]
    assert [entry.unit(case.id) for case in study.cases_of(Role.VALIDATION)] == units[3:]
    others = study.cases_of(Role.UNLABELED)
    assert sorted(case.site for case in others) == sorted(site for site in entry.sites if site != local_site(name))
    assert all(case.annotation is None and study.is_external(case) for case in others)
    # Each image by its own voxels.
    assert study.modality is Modality.MR
    for case in study.cases_of(Role.LABELED):
        image = read_image(study.image_path(case))
        classes = sitk.GetArrayFromImage(read_annotation(study.annotation_path(case), study.structures, image))
        assert set(np.unique(classes)) == {0, *range(1, 1 + len(entry.structures))}


def case_of(name: str, folder: Path) -> tuple[sitk.Image, sitk.Image]:
    write_data_set(name, folder, training=1, test=1)
    return prepared(data_set(name), find_files(data_set(name), folder)[0])


@pytest.mark.parametrize("name", ["kits19", "nih_pancreas", "msd_colon", "msd_spleen", "msd_lung"])
def test_ct_is_resampled_clipped_and_cropped_around_the_annotation(name: str, tmp_path: Path) -> None:
    image, labels = case_of(name, tmp_path)
    assert image.GetSpacing() == pytest.approx((1, 1, 1), rel=0.06)
    voxels = sitk.GetArrayFromImage(image)
    lower, upper = data_set(name).window
    assert voxels.max() == upper
    assert voxels.min() >= lower
    # The margin of 25 voxels is wider than the rest of these images, which end where they did.
    size = [round(count * step) for count, step in zip(SIZE, SPACING, strict=True)]
    assert list(image.GetSize()) == size
    volume = np.count_nonzero(sitk.GetArrayViewFromImage(labels)) * np.prod(labels.GetSpacing())
    assert volume == pytest.approx(6 * 8 * 10 * np.prod(SPACING), rel=0.1)


def test_the_crop_leaves_its_margin(tmp_path: Path) -> None:
    entry = data_set("kits19")
    write_case(entry, tmp_path, "image.nii.gz", "labels.nii.gz", 0)
    narrow = dataclasses.replace(entry, margin=2, spacing=0.0, window=())
    files = Files("case", tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz")
    image, labels = prepared(narrow, files)
    whole = sitk.GetArrayFromImage(read_image(files.image))
    around = tuple(slice(part.start - 2, part.stop + 2) for part in BOX)
    assert np.array_equal(sitk.GetArrayFromImage(image), whole[around])
    corner = [(part.start - 2) * step for part, step in zip(BOX[::-1], SPACING, strict=True)]
    assert image.GetOrigin() == pytest.approx(corner)
    assert labels.GetOrigin() == image.GetOrigin()


def test_brains_are_cropped_to_what_is_not_zero(tmp_path: Path) -> None:
    image, _ = case_of("brats2019", tmp_path)
    inner = sitk.GetArrayViewFromImage(image)
    assert all((inner.take(place, axis) != 0).any() for axis in range(3) for place in (0, -1))
    # Of the outermost slices of 2.5 mm, interpolation leaves nothing in the outermost millimetre.
    assert image.GetSize()[2] == round(SIZE[2] * SPACING[2]) - 2


def test_slices_have_the_published_size_and_pixels_of_1_mm(tmp_path: Path) -> None:
    image, labels = case_of("prostate_six_sites", tmp_path / "prostate")
    # Only slices with an annotation, of which there are six.
    assert image.GetSize() == (384, 384, 6)
    assert image.GetSpacing() == labels.GetSpacing() == pytest.approx((1, 1, SPACING[2] / (0.8 * 24 / 384)))
    image, _ = case_of("acdc", tmp_path / "acdc")
    assert image.GetSize() == (256, 256, SIZE[2])
    image, labels = case_of("left_atrium", tmp_path / "la")
    assert (image.GetSize(), image.GetSpacing()) == (SIZE, (1, 1, 1))
    assert set(np.unique(sitk.GetArrayViewFromImage(labels))) == {0, 2}


@pytest.mark.parametrize(
    ("name", "units", "expected"),
    [
        ("prostate_six_sites", 30, (18, 9)),
        ("brats2019", 335, (250, 60)),
        ("kits19", 210, (150, 50)),
        ("nih_pancreas", 80, (60, 20)),
        ("msd_colon", 126, (100, 26)),
        ("msd_spleen", 41, (30, 11)),
        ("msd_lung", 63, (50, 13)),
        ("acdc", 100, (70, 20)),
    ],
)
def test_without_lists_the_split_has_the_published_sizes(
    name: str, units: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    entry = data_set(name)
    suffixes = ("_frame01", "_frame12") if entry.counted == "patients" else ("",)
    files = [Files(f"case{n:03}{end}", tmp_path, tmp_path) for n in range(units) for end in suffixes]
    training, test = split(entry, tmp_path, files)
    assert (len(training), len(test)) == expected
    assert not set(training) & set(test)
    assert split(entry, tmp_path, files[::-1]) == (training, test)
    with pytest.raises(UserError, match="are too few for"):
        split(entry, tmp_path, files[: (entry.test + entry.unused) * len(suffixes)])
    assert len(split(entry, tmp_path, files, test=entry.test - 2)[1]) == entry.test - 2


def test_patients_count_with_all_of_their_images_and_copies_only_once(tmp_path: Path) -> None:
    write_data_set("acdc", tmp_path / "data")
    first = tmp_path / "data" / "patient001" / "patient001_frame01"
    write_case(data_set("acdc"), first.parent, "patient001_frame10.nii.gz", "patient001_frame10_gt.nii.gz", 50)
    for end in (".nii.gz", "_gt.nii.gz"):
        shutil.copy(f"{first}{end}", first.parent / f"patient001_frame12{end}")
    study = make_study("acdc", tmp_path / "data", tmp_path / "study")
    names = [case.id for case in study.cases_of(Role.LABELED) if case.id.startswith("patient001")]
    assert names == ["patient001_frame01", "patient001_frame10"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: (data / "labels/label0001.nii.gz").unlink(), "PANCREAS_0001.nii.gz has no annotation"),
        (lambda data: (data / "train.list").write_text("PANCREAS_0009\n"), "'PANCREAS_0009', which has no image"),
        (lambda data: (data / "train.list").write_text("PANCREAS_0004\n"), "name 'PANCREAS_0004' twice"),
        (lambda data: (data / "images").rename(data / "pictures"), "There are no images of NIH Pancreas-CT"),
    ],
)
def test_bad_folders_end_in_one_sentence(change, words: str, tmp_path: Path) -> None:
    write_data_set("nih_pancreas", tmp_path / "data")
    change(tmp_path / "data")
    with pytest.raises(UserError) as raised:
        make_study("nih_pancreas", tmp_path / "data", tmp_path / "study")
    assert words in raised.value.message
    assert raised.value.advice


def test_unknown_values_and_sites_are_refused(tmp_path: Path) -> None:
    write_data_set("brats2019", tmp_path / "data")
    path = next((tmp_path / "data").rglob("*_seg.nii.gz"))
    labels = sitk.ReadImage(str(path))
    labels[0, 0, 0] = 3
    sitk.WriteImage(labels, str(path))
    with pytest.raises(UserError, match="the label value 3"):
        make_study("brats2019", tmp_path / "data", tmp_path / "study")
    with pytest.raises(UserError, match="no local site 'C1'"):
        make_study("prostate_six_sites", tmp_path / "data", tmp_path / "other", "C1")
    with pytest.raises(UserError, match="There is no data set 'brats2020'"):
        data_set("brats2020")


def test_the_command_makes_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data_set("msd_spleen", tmp_path / "data")
    monkeypatch.setattr(sys, "argv", ["import_images", "msd_spleen", str(tmp_path / "data"), str(tmp_path / "study")])
    assert import_images.main() == 0
    assert capsys.readouterr().out.endswith("study: {'labeled': 3, 'validation': 1}\n")
    assert len(load_study(tmp_path / "study").cases) == 4


def test_data_sets_are_named_as_in_the_list_of_published_results() -> None:
    published = {row["dataset"] for row in published_rows()}
    for entry in all_data_sets().values():
        assert any(name.startswith(entry.published) for name in published), entry.published
    # Those that are trained together.
    together = ("nih_pancreas", "left_atrium", "msd_spleen", "msd_lung")
    labels = [item.label for name in together for item in data_set(name).structures]
    assert sorted(labels) == [1, 2, 3, 4]

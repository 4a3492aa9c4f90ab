"""The cache goes by what files contain, not by where they lie and when they were written."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.spec import JobCase
from SemiSupervisedSegLib.planning.cache import content_key, prepare_cache
from SemiSupervisedSegLib.planning.content import content_hash
from SemiSupervisedSegLib.study.errors import UserError

from .plans import plan_2d


def write(array: np.ndarray, path: Path, time: int = 315532800) -> Path:
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), path)
    for file in path.parent.iterdir():
        os.utime(file, (time, time))
    return path


def image(value: int) -> np.ndarray:
    return np.full((2, 3, 4), value, dtype=np.int16)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".mhd", ".nhdr", ".hdr", ".img", ".nii.gz"])
def test_files_of_equal_name_size_and_time_differ_by_their_voxels(tmp_path, suffix):
    first, second, copy = (
        content_hash(write(image(value), tmp_path / folder / f"image{suffix}", time))
        for folder, value, time in (("a", 1, 1), ("b", 2, 1), ("c", 1, 9))
    )
    assert first != second and first == copy


def test_a_changed_header_is_another_image(tmp_path):
    volume = sitk.GetImageFromArray(image(1))
    hashes = set()
    for number, spacing in enumerate([(1, 1, 1), (1, 1, 2)]):
        volume.SetSpacing(spacing)
        sitk.WriteImage(volume, tmp_path / f"{number}.nhdr")
        hashes.add(content_hash(tmp_path / f"{number}.nhdr"))
    assert len(hashes) == 2


def test_a_damaged_key_in_a_header_is_left_out(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(image(1)), tmp_path / "a.mhd")
    header = (tmp_path / "a.mhd").read_bytes()
    (tmp_path / "a.mhd").write_bytes(header.replace(b"ElementType", b"K\xfc\xff = 1\nElementType"))
    assert len(content_hash(tmp_path / "a.mhd")) == 64


def test_every_file_of_a_folder_counts(tmp_path):
    for name, content in (("1.dcm", b"ab"), ("2.dcm", b"c")):
        (tmp_path / name).write_bytes(content)
    before = content_hash(tmp_path)
    (tmp_path / "1.dcm").write_bytes(b"a")
    (tmp_path / "2.dcm").write_bytes(b"bc")
    assert content_hash(tmp_path) != before
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert content_hash(tmp_path / "copy") == content_hash(tmp_path)


def test_a_copied_study_finds_its_prepared_cases_and_another_raters_labels_are_not_taken(
    tmp_path, make_case, structures
):
    case = make_case("a")
    (cached,) = prepare_cache([case], plan_2d(), tmp_path / "cache", structures, lambda *at: None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = moved_to(case, elsewhere)
    assert content_key(moved, structures) == content_key(case, structures)

    labels = sitk.ReadImage(moved.annotation)
    fewer = sitk.GetArrayFromImage(labels)
    fewer[:, :20] = 0
    other = sitk.GetImageFromArray(fewer)
    other.CopyInformation(labels)
    sitk.WriteImage(other, moved.annotation)
    stat = os.stat(case.annotation)
    os.utime(moved.annotation, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (second,) = prepare_cache([moved], plan_2d(), tmp_path / "cache", structures, lambda *at: None)
    assert second.folder != cached.folder
    assert 0 < np.count_nonzero(second.load().labels) < np.count_nonzero(cached.load().labels)


def moved_to(case: JobCase, folder: Path) -> JobCase:
    image, annotation = (shutil.copy(path, folder) for path in (case.image, case.annotation))
    return replace(case, image=str(image), annotation=str(annotation))


def test_a_damaged_image_beside_a_header_is_said_by_case(tmp_path, make_case, structures):
    path = write(image(1), tmp_path / "images" / "a.mhd")
    path.with_suffix(".raw").write_bytes(b"")
    broken = replace(make_case("a"), image=str(path))
    with pytest.raises(UserError, match=r"Case a: a\.mhd could not be read"):
        prepare_cache([broken], plan_2d(), tmp_path / "cache", structures, lambda *at: None)

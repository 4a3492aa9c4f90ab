from __future__ import annotations

import os
import shutil

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.cases import add_cases, add_usable_cases, assign_cases, new_case
from SemiSupervisedSegLib.study.checks import check_study
from SemiSupervisedSegLib.study.duplicates import ImageDigests, image_digest
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role

from .conftest import with_case


@pytest.fixture
def grown(study, files):
    return with_case(study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd")


def reordered(source, target) -> None:
    """Write the same image with its axes in another order and one of them reversed."""
    image = sitk.PermuteAxes(sitk.ReadImage(str(source)), (2, 0, 1))
    sitk.WriteImage(sitk.Flip(image, (True, False, False)), str(target))


@pytest.mark.parametrize(
    ("name", "repeat"),
    [
        ("copy.nrrd", shutil.copy),
        ("link.nrrd", os.symlink),
        ("hard.nrrd", os.link),
        ("other.mha", lambda source, target: sitk.WriteImage(sitk.ReadImage(str(source)), str(target))),
        ("turned.nrrd", reordered),
    ],
)
def test_the_same_image_under_another_name_is_refused(grown, files, tmp_path, name, repeat):
    repeat(files / "a.nrrd", tmp_path / name)
    with pytest.raises(UserError, match=rf"cases a and \w+ have the same image \(a\.nrrd and {name}\)"):
        with_case(grown, tmp_path / name, site="here", role="validation", annotation=files / "a.seg.nrrd")


def test_one_changed_voxel_makes_another_image(grown, files, tmp_path):
    image = sitk.ReadImage(str(files / "a.nrrd"))
    image[0, 0, 0] += 1
    sitk.WriteImage(image, str(tmp_path / "changed.nrrd"))
    assert len(with_case(grown, tmp_path / "changed.nrrd", site="here", role="unlabeled").cases) == 2


def test_ignored_cases_may_repeat_an_image_and_are_told_when_they_are_used(grown, files, tmp_path):
    shutil.copy(files / "a.nrrd", tmp_path / "copy.nrrd")
    ignored = with_case(grown, tmp_path / "copy.nrrd", site="here", role=Role.IGNORED)
    assert not any("same image" in warning for warning in check_study(ignored))
    used = assign_cases(ignored, ["copy"], role=Role.UNLABELED)
    assert any("a and copy have the same image" in warning for warning in check_study(used))


def test_files_of_one_name_size_and_time_are_told_apart(study, files, tmp_path):
    digests = ImageDigests(study.layout)
    found = set()
    for name in "ab":
        path = tmp_path / name / "t2.nrrd"
        path.parent.mkdir()
        path.write_bytes((files / f"{name}.nrrd").read_bytes().ljust(9000, b"\0"))
        os.utime(path, (1000, 1000))
        found.add(digests.of(path))
    assert len(found) == 2


def test_what_is_known_of_images_is_not_read_again(grown, files, monkeypatch):
    digests = ImageDigests(grown.layout)
    add_cases(grown, [new_case(grown, files / "b.nrrd", site="here", role="unlabeled")], digests)
    digests.save()
    expected = image_digest(read_image(files / "a.nrrd"))
    reads = []
    monkeypatch.setattr(
        "SemiSupervisedSegLib.study.duplicates.read_image", lambda path: reads.append(path.name) or read_image(path)
    )
    assert ImageDigests(grown.layout).of(files / "a.nrrd") == expected
    assert not reads
    grown.layout.image_digests.write_text("damaged")
    assert ImageDigests(grown.layout).of(files / "a.nrrd") == expected
    assert reads == ["a.nrrd"]


def test_the_usable_cases_are_added_and_the_others_named(study, files):
    (files / "c.nrrd").write_bytes((files / "b.nrrd").read_bytes()[:-40])
    new = [new_case(study, files / f"{name}.nrrd", site="here", role="unlabeled") for name in ("a", "c", "none", "b")]
    grown, failures = add_usable_cases(study, new)
    assert [case.id for case in grown.cases] == ["a", "b"]
    assert [failure.message[:12] for failure in failures] == ["Case c: c.nr", "Case none: T"]


def test_a_study_that_was_moved_meanwhile_is_said_and_not_made_again(study, files, tmp_path):
    digests = ImageDigests(study.layout)
    digests.of(files / "a.nrrd")
    study.folder.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=study.layout.image_digests.name):
        digests.save()
    assert not study.folder.exists()

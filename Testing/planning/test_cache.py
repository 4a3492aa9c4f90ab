from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from SemiSupervisedSegLib.planning import cache
from SemiSupervisedSegLib.planning.cache import foreground_voxels, prepare_cache
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

from .plans import plan_2d


def ignore(done: int, total: int) -> None:
    pass


def count_preprocessed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the id of every case that is preprocessed."""
    seen: list[str] = []
    original = cache._preprocess

    def counted(case, plan, structures):
        seen.append(case.id)
        return original(case, plan, structures)

    monkeypatch.setattr(cache, "_preprocess", counted)
    return seen


def test_cases_are_preprocessed_once(tmp_path, make_case, structures, monkeypatch):
    seen = count_preprocessed(monkeypatch)
    cases = [make_case("a"), make_case("b", role=Role.UNLABELED)]
    progress: list[tuple[int, int]] = []
    first = prepare_cache(cases, plan_2d(), tmp_path / "cache", structures, lambda *at: progress.append(at))
    second = prepare_cache(cases, plan_2d(), tmp_path / "cache", structures, ignore)
    assert first == second and seen == ["a", "b"] and progress == [(1, 2), (2, 2)]
    arrays = first[0].load()
    assert arrays.image.shape == arrays.labels.shape == first[0].shape == (6, 40, 48)
    assert set(np.unique(arrays.labels)) == {0, 1, 2}
    assert first[0].pad_value == arrays.image.min()
    assert first[0].nbytes == arrays.image.nbytes + arrays.labels.nbytes + arrays.foreground.nbytes
    assert first[1].load().labels is None and not first[1].has_labels


def test_a_changed_annotation_or_plan_makes_the_case_again(tmp_path, make_case, structures, monkeypatch):
    seen = count_preprocessed(monkeypatch)
    case = make_case("a")
    folder = tmp_path / "cache"
    prepare_cache([case], plan_2d(), folder, structures, ignore)
    prepare_cache([case], plan_2d(spacing=(None, 2.0, 2.0)), folder, structures, ignore)
    prepare_cache([case], plan_2d(), folder, structures[::-1], ignore)
    assert len(seen) == 3
    prepare_cache([case], plan_2d(patch=(64, 64)), folder, structures, ignore)
    assert len(seen) == 3


@pytest.mark.parametrize("name", ["image.npy", "labels.npy", "foreground.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "removed"])
def test_damaged_cases_are_made_again(tmp_path, make_case, structures, name, damage):
    case = make_case("a")
    (cached,) = prepare_cache([case], plan_2d(), tmp_path / "cache", structures, ignore)
    whole = cached.load()
    path = cached.folder / name
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "flipped":
        path.write_bytes(path.read_bytes()[:-3] + bytes([path.read_bytes()[-3] ^ 64]) + path.read_bytes()[-2:])
    else:
        path.unlink()
    (again,) = prepare_cache([case], plan_2d(), tmp_path / "cache", structures, ignore)
    for attribute in ("image", "labels", "foreground"):
        np.testing.assert_array_equal(getattr(again.load(), attribute), getattr(whole, attribute))
    assert sorted(path.name for path in cached.folder.parent.iterdir()) == [cached.folder.name]


def test_nothing_is_left_when_writing_fails(tmp_path, make_case, structures, monkeypatch):
    case = make_case("a")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError, match="space"):
        prepare_cache([case], plan_2d(), tmp_path / "cache", structures, ignore)
    assert list((tmp_path / "cache" / plan_2d().key()).iterdir()) == []


def test_a_case_that_another_job_makes_at_the_same_time_is_taken(tmp_path, make_case, structures, monkeypatch):
    case = make_case("a")
    (theirs,) = prepare_cache([case], plan_2d(), tmp_path / "theirs", structures, ignore)
    target = tmp_path / "cache" / plan_2d().key() / theirs.folder.name
    original = Path.replace

    def overtaken(path: Path, other: Path) -> Path:
        shutil.copytree(theirs.folder, target)
        return original(path, other)

    monkeypatch.setattr(Path, "replace", overtaken)
    (cached,) = prepare_cache([case], plan_2d(), tmp_path / "cache", structures, ignore)
    assert cached.folder == target
    np.testing.assert_array_equal(cached.load().image, theirs.load().image)
    assert list(target.parent.iterdir()) == [target]


def test_what_no_job_uses_any_more_is_removed_and_what_is_young_stays(tmp_path, make_case, structures):
    case, folder = make_case("a"), tmp_path / "cache"
    other_plan = plan_2d(spacing=(None, 2.0, 2.0))
    (used,), (unused,) = (prepare_cache([case], plan, folder, structures, ignore) for plan in (plan_2d(), other_plan))
    old, young = used.folder.with_name(".tmp-1-aa"), used.folder.with_name(".tmp-2-bb")
    for temporary in (old, young):
        temporary.mkdir()
    os.utime(old, (1, 1))
    for cached in (used, unused):
        os.utime(cached.folder / "meta.json", (1, 1))
    elsewhere = tmp_path / "elsewhere" / "a"
    shutil.copytree(unused.folder, elsewhere)
    (folder / "link").symlink_to(elsewhere.parent, target_is_directory=True)
    assert prepare_cache([case], plan_2d(), folder, structures, ignore) == (used,)
    assert set(used.folder.parent.iterdir()) == {used.folder, young}
    assert not unused.folder.exists()
    # Nothing behind a link is the cache's to remove.
    assert elsewhere.exists()


def test_removed_cache_is_said_in_words(tmp_path, make_case, structures):
    (cached,) = prepare_cache([make_case("a")], plan_2d(), tmp_path / "cache", structures, ignore)
    shutil.rmtree(cached.folder)
    with pytest.raises(UserError, match="a was removed"):
        cached.load()


def test_unlabeled_cases_never_show_an_annotation(tmp_path, make_case, structures):
    labeled = make_case("a")
    hidden = type(labeled)(**{**vars(labeled), "role": Role.UNLABELED})
    (cached,) = prepare_cache([hidden], plan_2d(), tmp_path / "cache", structures, ignore)
    assert not cached.has_labels and not (Path(cached.folder) / "labels.npy").exists()


def test_foreground_voxels_come_from_every_slice_and_class():
    labels = np.zeros((20, 50, 60), dtype=np.uint8)
    labels[3:17, 10:40, 10:50] = 1
    labels[5, 0, 0] = 2
    labels[3, :8, :8] = 8
    voxels = foreground_voxels(labels, np.random.default_rng(0))
    assert voxels.dtype == np.int32
    assert (labels[tuple(voxels[:, 1:].T)] == voxels[:, 0]).all()
    assert set(voxels[voxels[:, 0] == 1][:, 1]) == set(range(3, 17))
    assert voxels[voxels[:, 0] == 2].tolist() == [[2, 5, 0, 0]]
    assert 1900 < (voxels[:, 0] == 1).sum() < 2100
    assert len(np.unique(voxels, axis=0)) == len(voxels)
    assert foreground_voxels(np.zeros((2, 3, 3), np.uint8), np.random.default_rng(0)).shape == (0, 4)


def test_a_missing_file_is_said_in_words(tmp_path, make_case, structures):
    case = make_case("a")
    Path(case.image).unlink()
    with pytest.raises(UserError, match=r"a\.nrrd of the case a is missing .* start a new round"):
        prepare_cache([case], plan_2d(), tmp_path / "cache", structures, ignore)

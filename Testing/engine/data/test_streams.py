from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.data.case_window import STEPS_PER_CASE
from SemiSupervisedSegLib.engine.data.streams import CaseStream
from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

from ...planning.plans import plan_2d, plan_3d

PLENTY = 2**30
_opened_here: list[str] | None = None


def _watch(event: str, arguments: tuple) -> None:
    if _opened_here is not None and event == "open" and threading.current_thread() is threading.main_thread():
        _opened_here.append(str(arguments[0]))


sys.addaudithook(_watch)


@contextmanager
def files_opened_by_this_thread() -> Iterator[list[str]]:
    global _opened_here  # noqa: PLW0603 an audit hook cannot be removed, only told to be quiet
    _opened_here = []
    try:
        yield _opened_here
    finally:
        _opened_here = None


@pytest.fixture
def cached(tmp_path: Path) -> Callable[..., CachedCase]:
    """Write a case as the cache does: every voxel of the image tells its case and slice, labels a box of class 1."""

    def make(number: int, shape: tuple[int, int, int], labels: bool = True) -> CachedCase:
        folder = tmp_path / f"case{number}"
        folder.mkdir()
        image = np.full(shape, number * 1000, dtype=np.float32) + np.arange(shape[0], dtype=np.float32)[:, None, None]
        np.save(folder / "image.npy", image)
        nbytes = image.nbytes
        if labels:
            box = np.zeros(shape, dtype=np.uint8)
            box[shape[0] // 2, shape[1] - 3 :, shape[2] - 3 :] = 1
            voxels = np.insert(np.argwhere(box), 0, 1, axis=1).astype(np.int32)
            np.save(folder / "labels.npy", box)
            np.save(folder / "foreground.npy", voxels)
            nbytes += box.nbytes + voxels.nbytes
        role = Role.LABELED if labels else Role.UNLABELED
        return CachedCase(str(number), "here", False, role, folder, shape, labels, float(image.min()), nbytes)

    return make


@pytest.fixture
def stream_of() -> Iterator[Callable[..., CaseStream]]:
    streams: list[CaseStream] = []

    def make(cases: list[CachedCase], plan: Plan, budget: int = PLENTY, seed: int = 1, **more: object) -> CaseStream:
        streams.append(CaseStream(cases, plan, seed, "labeled", budget, "cpu", **more))
        return streams[-1]

    yield make
    for stream in streams:
        stream.close()


def equal(a: tuple, b: tuple) -> bool:
    same = torch.equal(a[0], b[0])
    return same and (torch.equal(a[1], b[1]) if a[1] is not None else b[1] is None)


def test_every_slice_comes_once_in_a_pass(cached, stream_of):
    cases = [cached(number, (3 + number, 32, 32)) for number in range(4)]
    stream = stream_of(cases, plan_2d())
    drawn = [int(value) for step in range(9) for value in stream.draw(step, 4)[0][:, 0, 0, 0]]
    expected = {number * 1000 + place for number in range(4) for place in range(3 + number)}
    assert set(drawn[:18]) == expected and set(drawn[18:]) == expected
    assert drawn[:18] != drawn[18:]


def test_every_case_comes_once_in_a_pass_in_3d(cached, stream_of):
    cases = [cached(number, (16, 32, 32), labels=False) for number in range(5)]
    stream = stream_of(cases, plan_3d())
    images, labels = stream.draw(0, 5)
    assert images.shape == (5, 1, 16, 32, 32) and images.dtype == torch.float32 and labels is None
    assert sorted(images[:, 0, 0, 0, 0].tolist()) == [0, 1000, 2000, 3000, 4000]


@pytest.mark.parametrize("held", ["all", "window"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_stream_that_starts_anywhere_draws_the_same(held, dimensions, cached, stream_of):
    cases = [cached(number, (4 + number % 3, 36, 40)) for number in range(9)]
    plan = plan_2d() if dimensions == 2 else plan_3d()
    budget = PLENTY if held == "all" else 4 * max(case.nbytes for case in cases)
    whole = stream_of(cases, plan, budget, foreground_share=0.5)
    batches = [whole.draw(step, 3) for step in range(40)]
    for step in (0, 1, 7, 23, 39):
        assert equal(stream_of(cases, plan, budget, foreground_share=0.5).draw(step, 3), batches[step])
    assert equal(whole.draw(2, 3), batches[2])
    assert not equal(stream_of(cases, plan, budget, seed=2, foreground_share=0.5).draw(3, 3), batches[3])


def test_resident_bytes_stay_within_the_budget_and_all_cases_come(cached, stream_of):
    cases = [cached(number, (2 + number % 5, 32, 32), labels=False) for number in range(40)]
    budget = 7 * max(case.nbytes for case in cases)
    stream = stream_of(cases, plan_2d(), budget)
    seen: Counter[int] = Counter()
    for step in range(40 * STEPS_PER_CASE * 2):
        images, _ = stream.draw(step, 6)
        seen.update(int(value) // 1000 for value in images[:, 0, 0, 0])
        loading = stream._window._loading
        assert 0 < sum(cases[index].nbytes for index in loading) <= budget
    assert set(seen) == set(range(40))


def test_memory_does_not_grow_with_the_number_of_cases(cached, stream_of):
    cases = [cached(number, (4, 64, 64), labels=False) for number in range(30)]
    budget = 6 * cases[0].nbytes
    stream = stream_of(cases, plan_2d(), budget)
    for step in range(0, 200, 3):
        stream.draw(step, 2)
        held = [future.result().image for future in stream._window._loading.values()]
        assert sum(image.untyped_storage().nbytes() for image in held) <= budget


@pytest.mark.parametrize("cases_in_budget", [100, 4])
def test_steps_read_no_file(cases_in_budget, cached, stream_of):
    cases = [cached(number, (4, 40, 40)) for number in range(12)]
    stream = stream_of(cases, plan_2d(), cases_in_budget * cases[0].nbytes, foreground_share=0.3)
    stream.prepare(0)
    with files_opened_by_this_thread() as opened:
        for step in range(60):
            stream.draw(step, 5)
        assert opened == []
        open(__file__, "rb").close()
    assert opened == [__file__]


@pytest.mark.parametrize("held", ["all", "window"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_extents_tell_which_slices_of_their_case_were_drawn(held, dimensions, cached, stream_of):
    shapes = [(18 + 3 * number, 36, 40) for number in range(5)] + [(4, 36, 40)]
    cases = [cached(number, shape) for number, shape in enumerate(shapes)]
    budget = PLENTY if held == "all" else 3 * max(case.nbytes for case in cases)
    stream = stream_of(cases, plan_2d() if dimensions == 2 else plan_3d(), budget, foreground_share=0.5)
    for step in range(30):
        images, extents = stream.draw(step, 3)[0], stream.drawn_extents(step, 3)
        for index, image, extent in zip(stream.drawn_cases(step, 3), images[:, 0], extents, strict=True):
            length = shapes[index][0]
            first, last = (image[0, 0], image[0, 0]) if dimensions == 2 else (image[0, 0, 0], image[-1, 0, 0])
            if dimensions == 3 and length < 16:
                # Six slices of padding on both sides of four.
                assert extent == pytest.approx((-5.5 / 4, 9.5 / 4))
                continue
            expected = [(float(value) - 1000 * index + 0.5) / length for value in (first, last)]
            assert extent == pytest.approx(expected, abs=1e-4)


def test_crops_reach_both_ends(cached, stream_of):
    case = cached(0, (1, 35, 33))
    ramp = np.arange(35 * 33, dtype=np.float32).reshape(1, 35, 33)
    np.save(case.folder / "image.npy", ramp)
    stream = stream_of([case], plan_2d())
    corners = {int(value) for step in range(40) for value in stream.draw(step, 4)[0][:, 0, 0, 0]}
    assert corners == {row * 33 + column for row in range(4) for column in range(2)}


@pytest.mark.parametrize("shape", [(3, 20, 50), (20, 10, 10), (1, 1, 1)])
def test_small_volumes_are_padded(shape, cached, stream_of):
    case = cached(5, shape)
    for plan in (plan_2d(), plan_3d()):
        images, labels = stream_of([case], plan).draw(0, 2)
        assert images.shape == (2, 1, *plan.patch) and labels.shape == (2, *plan.patch)
        assert images.min() == case.pad_value == 5000
        assert labels.min() == 0
    assert images[0, 0, 0, 0, 0] == case.pad_value
    first = (plan.patch[0] - shape[0]) // 2
    if shape[0] == 3:
        assert images[0, 0, first : first + 3].amax(dim=(1, 2)).tolist() == [5000, 5001, 5002]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_foreground_share(dimensions, cached, stream_of):
    case = cached(1, (9 if dimensions == 2 else 40, 200, 200))
    plan = plan_2d() if dimensions == 2 else plan_3d()
    shown = {}
    for share in (0.0, 1.0):
        stream = stream_of([case], plan, foreground_share=share)
        batches = [stream.draw(step, 9)[1] for step in range(20)]
        shown[share] = np.mean([bool((labels == 1).any()) for batch in batches for labels in batch])
    # The structure lies in one corner of one slice: random patches miss it; in 2D one of nine slices shows it.
    assert shown[0.0] < 0.03
    assert shown[1.0] == pytest.approx(1 / 9 if dimensions == 2 else 1.0)


def test_a_batch_from_a_window_repeats_no_slice(cached, stream_of):
    cases = [cached(number, (10 if number == 0 else 2, 32, 32), labels=False) for number in range(3)]
    stream = stream_of(cases, plan_2d(), sum(case.nbytes for case in cases) - 1)
    values = stream.draw(0, 4)[0][:, 0, 0, 0]
    assert len(set(values.tolist())) == len(values)


def test_a_budget_too_small_and_an_empty_stream_are_said_in_words(cached):
    cases = [cached(number, (4, 64, 64), labels=False) for number in range(3)]
    with pytest.raises(UserError, match="two of the largest"):
        CaseStream(cases, plan_2d(), 1, "unlabeled", cases[0].nbytes, "cpu")
    with pytest.raises(UserError, match='no case for the stream "external"'):
        CaseStream([], plan_2d(), 1, "external", PLENTY, "cpu")


def test_a_cache_that_vanishes_is_said_in_words(cached, stream_of):
    case = cached(0, (4, 32, 32))
    (case.folder / "labels.npy").unlink()
    with pytest.raises(UserError, match="removed or damaged"):
        stream_of([case], plan_2d()).draw(0, 2)

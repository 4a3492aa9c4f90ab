from __future__ import annotations

import time

import pytest

from SemiSupervisedSegLib.panel.time_slices import TimeSlicedTask
from SemiSupervisedSegLib.study.errors import UserError


def run(work, spin):
    heard = []
    portions = TimeSlicedTask(
        work,
        lambda result: heard.append(("done", result)),
        lambda error: heard.append(("error", error.message)),
        lambda progress: heard.append(("progress", progress)),
    )
    return portions, heard


def test_long_work_gives_progress_and_a_result(slicer_app, spin):
    def work():
        for number in range(10):
            time.sleep(0.01)
            yield number
        return "all"

    portions, heard = run(work(), spin)
    assert heard == []
    spin(lambda: not portions.running)
    assert heard[-1] == ("done", "all")
    assert 1 < len(heard) < 10


def test_an_error_of_the_user_is_told_once(slicer_app, spin):
    def work():
        yield 1
        raise UserError("This is wrong.")

    portions, heard = run(work(), spin)
    spin(lambda: not portions.running)
    assert heard == [("error", "This is wrong.")]


def test_cancel_runs_the_finally_blocks_and_tells_nothing(slicer_app, spin):
    ended = []

    def work():
        try:
            while True:
                time.sleep(0.03)
                yield 1
        finally:
            ended.append(True)

    portions, heard = run(work(), spin)
    spin(lambda: bool(heard))
    portions.cancel()
    assert ended == [True]
    count = len(heard)
    with pytest.raises(AssertionError):
        spin(lambda: len(heard) > count, timeout=0.1)


def test_another_error_stops_the_work_instead_of_repeating_it(slicer_app, spin, exceptions_in_slots):
    def work():
        yield from ()
        raise KeyError("bug")

    portions, heard = run(work(), spin)
    spin(lambda: bool(exceptions_in_slots))
    with pytest.raises(AssertionError):
        spin(lambda: len(exceptions_in_slots) > 1, timeout=0.1)
    exceptions_in_slots.clear()
    assert heard == []
    assert not portions.running

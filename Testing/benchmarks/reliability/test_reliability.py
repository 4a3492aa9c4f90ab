from __future__ import annotations

import csv
import secrets
import sys
from pathlib import Path

import pytest

from ..tiny import run
from .fuzz_judge import CLEAR_ERROR, CRASH, ESCAPE, FINISHED, HALF, HANG, LOST, Ended, judge
from .soak import Sample, trends

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="forks, and limits its children")


@linux_only
@pytest.mark.slow
def test_rounds_that_are_killed_end_with_the_same_files(tmp_path: Path) -> None:
    printed = run("reliability.kill_and_resume", "--output", str(tmp_path))
    assert "2 of 2 identical" in printed
    assert len(rows(tmp_path / "kills.csv")) == 3


@linux_only
def test_fuzzed_inputs_end_in_words(tmp_path: Path) -> None:
    # Other inputs each time; the seed is printed, to try the same again.
    seed = secrets.randbelow(2**32)
    print(f"fuzz --tiny --seed {seed}")
    printed = run("reliability.fuzz", "--seed", str(seed), "--output", str(tmp_path))
    assert "6 inputs, 0 failures" in printed
    assert len(rows(tmp_path / "fuzz.csv")) == 7


@linux_only
@pytest.mark.slow
def test_a_round_goes_on_after_a_full_disk() -> None:
    assert "1 times, 0 failures" in run("reliability.disk_full")


@linux_only
@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing() -> None:
    printed = run("reliability.clock_jumps")
    assert " jumps: nothing wrong" in printed
    assert "with 0 jumps" not in printed


@linux_only
@pytest.mark.slow
def test_several_workers_at_once() -> None:
    printed = run("reliability.two_workers")
    assert "workers on one round: 1 times, 0 failures" in printed
    assert "workers on rounds of one study: 1 times, 0 failures" in printed


@linux_only
@pytest.mark.slow
def test_a_soak_is_sampled_and_drawn(tmp_path: Path) -> None:
    assert "memory_mb" in run("reliability.soak", "--output", str(tmp_path))
    assert len(rows(tmp_path / "soak.csv")) > 5
    assert (tmp_path / "soak.png").stat().st_size > 1000


def rows(table: Path) -> list[list[str]]:
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


BEFORE = {"outside/keep.txt": ("file", 1, "a"), "study/study.json": ("file", 1, "b")}
JUDGED = {
    "finished": (FINISHED, 0, "", {}),
    "sentence": (CLEAR_ERROR, 2, "error: study.json is damaged. Restore it.", {}),
    "some of many": (CLEAR_ERROR, 1, "error: Case a is damaged. Restore it.\n1 of 2 could not be added.", {}),
    "some of many, unnamed": (CRASH, 1, "1 of 2 could not be added.", {}),
    "no sentence": (CRASH, 2, "", {}),
    "traceback": (CRASH, 1, "Traceback (most recent call last):\nKeyError: 'a'", {}),
    "signal": (CRASH, -11, "", {}),
    "time": (HANG, None, "", {}),
    "changed outside": (ESCAPE, 0, "", {"outside/keep.txt": ("file", 2, "c")}),
    "new outside": (ESCAPE, 2, "error: No.", {"outside/marker": ("file", 0, "d")}),
    "changed": (LOST, 2, "error: No.", {"study/study.json": ("file", 0, "e")}),
    "half-written": (HALF, 2, "error: No.", {"study/.tmp-1-a-study.json": ("file", 0, "e")}),
}


@pytest.mark.parametrize("name", JUDGED)
def test_how_commands_end_is_told_apart(name: str) -> None:
    outcome, code, errors, changes = JUDGED[name]
    assert judge(Ended("study show", code, "", errors, BEFORE, BEFORE | changes))[0] == outcome


def test_a_file_that_is_gone_is_lost() -> None:
    after = {"outside/keep.txt": BEFORE["outside/keep.txt"]}
    assert judge(Ended("study add", 0, "", "", BEFORE, after))[0] == FINISHED, "study add writes it anew"
    assert judge(Ended("study show", 0, "", "", BEFORE, after))[0] == LOST


def test_memory_that_rises_is_not_flat() -> None:
    def samples(rise: float) -> list[Sample]:
        return [Sample(minute, 600 + rise * minute / 60, 5, 4, 1.0, minute) for minute in range(120)]

    flat, rising = (next(iter(trends(samples(rise)))) for rise in (0.5, 30.0))
    assert flat.is_flat() and not rising.is_flat()
    assert rising.per_hour == pytest.approx(30.0)

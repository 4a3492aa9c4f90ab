"""Slurm is asked once for all who follow jobs beside each other."""

from __future__ import annotations

import json
import time

import pytest

from SemiSupervisedSegLib.jobs.remote import slurm_commands
from SemiSupervisedSegLib.jobs.remote.shared_queue import SharedQueue
from SemiSupervisedSegLib.jobs.remote.slurm_commands import UNKNOWN, QueueEntry, SlurmAway
from SemiSupervisedSegLib.study.locking import hold_lock

ENTRIES = [QueueEntry(f"17_{number}", "RUNNING", "None", "x") for number in range(500)]


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What Slurm was asked."""
    said: list[str] = []
    monkeypatch.setattr(slurm_commands, "entries", lambda: said.append("squeue") or ENTRIES)
    monkeypatch.setattr(slurm_commands, "_accounted", lambda job_id: said.append("sacct") or UNKNOWN)
    return said


def test_one_answer_serves_all_followers(asked, tmp_path):
    found = [SharedQueue(tmp_path).find(entry.id, 100.0) for entry in ENTRIES]
    assert found == ENTRIES
    assert asked == ["squeue"]


def test_who_wants_news_gets_them(asked, tmp_path):
    queue = SharedQueue(tmp_path)
    for _ in range(3):
        assert queue.find("17_1", -1.0) == ENTRIES[1]
    assert asked == ["squeue"] * 3


def test_a_job_that_the_answer_does_not_have_is_asked_for(asked, tmp_path):
    queue = SharedQueue(tmp_path)
    queue.find("17_1", 100.0)
    assert queue.find("18", 100.0) == QueueEntry("18", UNKNOWN, "", "")
    assert asked == ["squeue", "squeue", "sacct"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"asked": "x", "entries": []}', '{"asked": 1, "entries": [[1]]}'])
def test_a_damaged_answer_is_asked_for_again(asked, tmp_path, content):
    (tmp_path / "queue.json").write_text(content)
    assert SharedQueue(tmp_path).find("17_1", 1e12) == ENTRIES[1]
    assert asked == ["squeue"]


def test_an_answer_of_the_future_is_asked_for_again(asked, tmp_path):
    ended = [["17_1", "FAILED", "None", "x"]]
    (tmp_path / "queue.json").write_text(json.dumps({"asked": time.time() + 3600, "entries": ended}))
    assert SharedQueue(tmp_path).find("17_1", 100.0) == ENTRIES[1]


def test_nobody_waits_for_another_who_asks(asked, tmp_path):
    with hold_lock(tmp_path / "queue.lock", "It"):
        assert SharedQueue(tmp_path).find("17_1", 100.0) is None
    assert asked == []


def test_a_folder_that_takes_no_file_is_no_hindrance(asked, tmp_path):
    assert SharedQueue(tmp_path / "nowhere").find("17_1", 100.0) == ENTRIES[1]


def test_a_slurm_that_is_away_is_said(monkeypatch, tmp_path):
    def away():
        raise SlurmAway("Slurm does not answer.", "")

    monkeypatch.setattr(slurm_commands, "entries", away)
    with pytest.raises(SlurmAway):
        SharedQueue(tmp_path).find("17_1", 100.0)

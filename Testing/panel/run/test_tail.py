from __future__ import annotations

from pathlib import Path

from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Finished, to_line
from SemiSupervisedSegLib.panel.run import tail as module
from SemiSupervisedSegLib.panel.run.tail import EventTail


def test_a_long_history_comes_in_pieces_each_event_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(to_line(CheckpointSaved(step=step, time=1.0)) for step in range(5000)))
    tail, steps, calls = EventTail(path), [], 0
    while tail.has_more:
        steps += [event.step for event in tail.read()]
        calls += 1
    assert steps == list(range(5000))
    assert calls > 3
    assert tail.read() == []


def test_history_ends_where_it_was_said_to(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(to_line(CheckpointSaved(step=1)) + '{"event":"check')
    tail = EventTail(path, path.stat().st_size)
    with path.open("a") as file:
        file.write("\n" + to_line(CheckpointSaved(step=2)))
    assert tail.in_history
    assert [event.step for event in tail.read()] == [1]
    assert not tail.in_history
    assert [event.step for event in tail.read()] == [2]


def test_a_line_longer_than_a_piece(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    event = Finished(result={"cases": ["x" * 100] * 2000}, time=1.0)
    assert len(to_line(event)) > module._PIECE
    path.write_text(to_line(event))
    tail, events = EventTail(path), []
    for _ in range(20):
        events += tail.read()
    assert events == [event]


def test_a_file_that_is_not_there_yet_or_no_more(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path, 1000)
    assert tail.read() == []
    assert not tail.in_history
    assert not tail.has_more
    path.write_text(to_line(CheckpointSaved(step=1)))
    assert len(tail.read()) == 1
    path.unlink()
    assert tail.read() == []

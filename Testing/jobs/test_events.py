from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SemiSupervisedSegLib.jobs import events
from SemiSupervisedSegLib.jobs.events import Event, StepDone, Validated, from_line, to_line

TEXT = st.text(max_size=20)
INTEGER = st.integers(0, 10**9)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TIME = st.floats(1, 1e10)
NUMBERS = st.dictionaries(TEXT, NUMBER, max_size=3)
RESULT = st.dictionaries(TEXT, st.none() | st.booleans() | INTEGER | NUMBER | TEXT | st.lists(INTEGER), max_size=3)
EVENT = st.one_of(
    st.builds(events.Started, TEXT, INTEGER, st.none() | INTEGER, time=TIME),
    st.builds(events.StageStarted, TEXT, TEXT, INTEGER, time=TIME),
    st.builds(StepDone, TEXT, INTEGER, INTEGER, NUMBERS, NUMBER, st.none() | NUMBER, time=TIME),
    st.builds(events.Progress, TEXT, INTEGER, INTEGER, st.none() | NUMBER, time=TIME),
    st.builds(Validated, INTEGER, NUMBERS, NUMBER, time=TIME),
    st.builds(events.PreviewReady, INTEGER, TEXT, st.dictionaries(TEXT, TEXT, max_size=3), time=TIME),
    st.builds(events.CheckpointSaved, INTEGER, time=TIME),
    st.builds(events.WarningRaised, TEXT, time=TIME),
    st.builds(events.Failed, TEXT, TEXT, time=TIME),
    st.builds(events.Cancelled, INTEGER, time=TIME),
    st.builds(events.Finished, RESULT, time=TIME),
)


@given(EVENT)
def test_what_was_written_is_read(event: Event) -> None:
    line = to_line(event)
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert from_line(line) == event


@given(EVENT, st.data())
def test_a_cut_line_is_never_taken_for_an_event(event: Event, data: st.DataObject) -> None:
    line = to_line(event).rstrip("\n")
    with pytest.raises(ValueError):
        from_line(line[: data.draw(st.integers(0, len(line) - 1))])


@given(st.text() | st.just("[" * 100_000) | st.just('{"event":"step_done"}') | st.just('{"event":3}'))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert from_line(text) is None


def test_losses_that_are_no_numbers_stay_so() -> None:
    line = to_line(StepDone("train", 1, 2, {"total": math.nan}, 0.01, None, time=1.0))
    json.loads(line, parse_constant=pytest.fail)
    read = from_line(line)
    assert isinstance(read, StepDone)
    assert math.isnan(read.losses["total"])
    assert read.seconds_left is None


def test_events_and_entries_of_a_newer_program_are_left_out() -> None:
    assert from_line('{"event":"teleported","time":1.0}') is None
    assert from_line('{"event":"cancelled","time":1.0,"step":3,"mood":"good"}') == events.Cancelled(3, time=1.0)

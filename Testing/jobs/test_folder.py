from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SemiSupervisedSegLib.jobs.events import CheckpointSaved, WarningRaised
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.rounds import find_round, next_round, rounds
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.study.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path / "001-cu2l")


def spec() -> JobSpec:
    return JobSpec("train", "cu2l", "quick", {}, "cpu", 0, "study", None, (), ())


def run_and_kill(script: str, *arguments: str) -> None:
    """Run a script until it prints a line, then kill it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"ready"
    process.kill()
    process.wait()
    process.stdout.close()


def test_files_come_back_as_they_were_written(folder: JobFolder) -> None:
    assert folder.status().state == "waiting"
    assert folder.result() is None
    folder.write_spec(spec())
    folder.write_result({"mean_dice": 0.5})
    written = folder.write_status("running", stage="train", step=3, total=10, message="training")
    assert folder.spec() == spec()
    assert folder.result() == {"mean_dice": 0.5}
    assert folder.status() == written
    assert written.pid == os.getpid()


@pytest.mark.parametrize("name", ["job.json", "status.json", "result.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_damaged_files_are_refused_in_words(folder: JobFolder, name: str, content: bytes) -> None:
    folder.path.mkdir()
    (folder.path / name).write_bytes(content)
    read = {"job.json": folder.spec, "status.json": folder.status, "result.json": folder.result}[name]
    with pytest.raises(UserError, match="damaged"):
        read()
    assert (folder.path / name).read_bytes() == content


def test_a_missing_job_is_named(folder: JobFolder) -> None:
    with pytest.raises(UserError, match="There is no job"):
        folder.spec()


def test_events_are_read_on_from_an_offset(folder: JobFolder) -> None:
    assert folder.events() == ([], 0)
    first = folder.append_event(CheckpointSaved(1))
    assert first.time > 0
    events, offset = folder.events()
    assert events == [first]
    second = folder.append_event(CheckpointSaved(2))
    assert folder.events(offset)[0] == [second]
    assert folder.events(folder.end_of_events())[0] == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.data())
def test_a_partial_last_line_is_skipped_and_ended_by_the_next_writer(folder: JobFolder, data: st.DataObject) -> None:
    file = folder.path / "events.jsonl"
    file.unlink(missing_ok=True)
    first = folder.append_event(WarningRaised("first", time=1.0))
    folder.append_event(WarningRaised("broken off", time=2.0))
    content = file.read_bytes()
    start = content.index(b"\n") + 1
    file.write_bytes(content[: data.draw(st.integers(start, len(content) - 2))])
    assert folder.events()[0] == [first]
    offset = folder.events()[1]
    last = folder.append_event(WarningRaised("resumed"))
    assert folder.events()[0] == [first, last]
    assert folder.events(offset)[0] == [last]


def test_bytes_that_are_no_text_lose_only_their_own_line(folder: JobFolder) -> None:
    first = folder.append_event(CheckpointSaved(1))
    with open(folder.path / "events.jsonl", "ab") as file:
        file.write(b"\xff\xfe\x00\n")
    last = folder.append_event(CheckpointSaved(2))
    assert folder.events()[0] == [first, last]


def test_a_kill_while_writing_leaves_whole_lines(folder: JobFolder) -> None:
    script = """
import sys
from SemiSupervisedSegLib.jobs.events import CheckpointSaved
from SemiSupervisedSegLib.jobs.folder import JobFolder
folder = JobFolder(sys.argv[1])
for step in range(1_000_000):
    folder.append_event(CheckpointSaved(step))
    if step == 50:
        print("ready", flush=True)
"""
    run_and_kill(script, str(folder.path))
    events = folder.events()[0]
    assert len(events) > 50
    assert [event.step for event in events] == list(range(len(events)))


def test_a_full_disk_is_said_in_words(folder: JobFolder, largest_file: Callable) -> None:
    with largest_file(8), pytest.raises(UserError, match="no space left"):
        folder.append_event(CheckpointSaved(1))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_nothing_is_written_through_links(folder: JobFolder, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.txt"
    foreign.write_text("kept")
    folder.path.mkdir()
    for name in ("events.jsonl", "worker.lock"):
        (folder.path / name).symlink_to(foreign)
    with pytest.raises(UserError, match=r"events.jsonl in .* is a link"):
        folder.append_event(CheckpointSaved(1))
    with pytest.raises(UserError, match=r"worker.lock in .* is a link"), folder.lock():
        pass
    assert foreign.read_text() == "kept"


def test_a_second_worker_is_refused_and_a_killed_one_leaves_no_lock(folder: JobFolder) -> None:
    with folder.lock():
        assert folder.is_running()
        with pytest.raises(UserError, match=rf"001-cu2l is in use by process {os.getpid()}"), folder.lock():
            pass
    assert not folder.is_running()
    script = """
import sys, time
from SemiSupervisedSegLib.jobs.folder import JobFolder
with JobFolder(sys.argv[1]).lock():
    print("ready", flush=True)
    time.sleep(60)
"""
    run_and_kill(script, str(folder.path))
    assert folder.lock_file.exists()
    assert not folder.is_running()
    with folder.lock():
        pass


def test_a_lock_of_another_process_is_seen(folder: JobFolder) -> None:
    script = (
        "import sys\nfrom SemiSupervisedSegLib.jobs.folder import JobFolder\n"
        "with JobFolder(sys.argv[1]).lock():\n    print('ready', flush=True)\n    sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert folder.is_running()
        with pytest.raises(UserError, match=f"process {other.pid}"), folder.lock():
            pass
        other.send_signal(signal.SIGKILL)
    assert not folder.is_running()


def test_cancel_requests_come_and_go(folder: JobFolder) -> None:
    assert not folder.cancel_requested()
    folder.request_cancel()
    assert folder.cancel_requested()
    folder.clear_cancel()
    folder.clear_cancel()
    assert not folder.cancel_requested()


def test_rounds_are_numbered_on_and_found(tmp_path: Path) -> None:
    assert rounds(tmp_path) == []
    assert next_round(tmp_path, "cu2l").name == "001-cu2l"
    second = next_round(tmp_path, "cpcl")
    second.write_spec(spec())
    (tmp_path / "rounds" / "notes").mkdir()
    (tmp_path / "rounds" / "1000-cpcl").mkdir()
    assert next_round(tmp_path, "cu2l").name == "1001-cu2l"
    assert [folder.name for folder in rounds(tmp_path)] == ["001-cu2l", "002-cpcl", "1000-cpcl", "1001-cu2l"]
    for name in ("002-cpcl", "2", "002", str(second.path)):
        assert find_round(tmp_path, name).path == second.path
    with pytest.raises(UserError, match="no round '1'"):
        find_round(tmp_path, "1")


def test_a_job_whose_study_was_moved_makes_nothing_in_its_old_place(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "study" / "rounds" / "001-cu2l")
    folder.write_spec(spec())
    (tmp_path / "study").rename(tmp_path / "moved")
    for write in (
        lambda: folder.append_event(WarningRaised(message="late")),
        lambda: folder.write_status("running"),
        lambda: folder.write_result({}),
        folder.request_cancel,
        lambda: folder.lock().__enter__(),
    ):
        with pytest.raises(UserError):
            write()
    assert not (tmp_path / "study").exists()

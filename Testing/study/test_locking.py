from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.locking import hold_lock, is_locked
from SemiSupervisedSegLib.study.store import study_lock

HOLDER = """
    import sys, time
    from SemiSupervisedSegLib.study.store import study_lock
    with study_lock(sys.argv[1]):
        print("locked", flush=True)
        time.sleep(600)
"""


def test_second_process_is_told_who_has_it_and_death_releases_it(study):
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(study.folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with (
            pytest.raises(UserError, match=f"The study is in use by process {process.pid} on "),
            study_lock(study.folder),
        ):
            pass
        process.kill()
        process.wait()
        with study_lock(study.folder):
            pass


def test_released_after_an_error_in_the_block(study):
    with pytest.raises(KeyError), study_lock(study.folder):
        raise KeyError("stop")
    with study_lock(study.folder), pytest.raises(UserError, match="in use"), study_lock(study.folder):
        pass


def test_missing_folder_is_said_in_words(tmp_path):
    with pytest.raises(UserError, match="could not be written"), study_lock(tmp_path / "none"):
        pass


def test_looking_whether_it_is_free_stands_in_nobodys_way(tmp_path):
    path, done = tmp_path / "lock", threading.Event()
    path.touch()

    def look() -> None:
        while not done.is_set():
            is_locked(path)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(200):
            with hold_lock(path, "The job"):
                assert is_locked(path)
    finally:
        done.set()
        watcher.join()
    assert not is_locked(path)


def test_looking_does_not_sign(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    assert not path.exists()
    with hold_lock(path, "The job"):
        pass
    signature = path.read_bytes()
    assert not is_locked(path)
    assert path.read_bytes() == signature

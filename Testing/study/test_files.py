from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.files import (
    atomic_folder,
    atomic_path,
    check_stays_inside,
    write_bytes_atomically,
    write_error,
    write_text_atomically,
)


def test_error_joins_message_and_advice():
    assert str(UserError("It is broken.", "Mend it.")) == "It is broken. Mend it."
    assert str(UserError("It is broken.")) == "It is broken."


def test_text_is_utf8_and_replaces_the_old(tmp_path):
    path = tmp_path / "a.txt"
    write_text_atomically(path, "old")
    write_text_atomically(path, "Größe\n")
    assert path.read_bytes() == "Größe\n".encode()
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_failing_block_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        assert temporary.name.endswith("a.seg.nrrd")
        assert temporary.parent == path.parent
        temporary.write_bytes(b"half")
        raise KeyError("stop")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.seg.nrrd"]


def test_missing_folder_is_said_in_words(tmp_path):
    with pytest.raises(UserError, match=r"a\.txt could not be written"):
        write_bytes_atomically(tmp_path / "none" / "a.txt", b"")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_said_in_words(number):
    assert "no space left" in write_error("a.txt", OSError(number, "x")).message


def test_running_out_of_space_keeps_the_old_file(tmp_path, largest_file):
    path = tmp_path / "study.json"
    path.write_bytes(b"old")
    with largest_file(10_000), pytest.raises(UserError, match="no space left"):
        write_bytes_atomically(path, bytes(20_000))
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["study.json"]


def test_killed_writer_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "study.json"
    path.write_text("0" * 100_000)
    script = """
        import sys
        from SemiSupervisedSegLib.study.files import write_text_atomically
        number = 0
        while True:
            number = (number + 1) % 10
            write_text_atomically(sys.argv[1], str(number) * 100_000)
            print(number, flush=True)
    """
    root = Path(__file__).parents[2]
    for _ in range(3):
        command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(5):
                process.stdout.readline()
            process.kill()
        text = path.read_text()
        assert len(text) == 100_000
        assert len(set(text)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_place_behind_a_link_to_elsewhere_is_refused(tmp_path):
    study, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    for place in (study / "inside", elsewhere):
        place.mkdir(parents=True)
    (study / "link").symlink_to(study / "inside")
    check_stays_inside(study / "link" / "new" / "file", study)
    (study / "out").symlink_to(elsewhere)
    (study / "circle").symlink_to(study / "circle")
    for place in (study / "out", study / "out" / "new", study / "circle"):
        with pytest.raises(UserError, match="leads out of"):
            check_stays_inside(place, study)
    (tmp_path / "shortcut").symlink_to(study)
    check_stays_inside(tmp_path / "shortcut" / "inside", tmp_path / "shortcut")


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "model"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("first")
    with pytest.raises(ValueError, match="broken"), atomic_folder(target) as folder:
        (folder / "a").write_text("second")
        raise ValueError("broken")
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("a", "first")]
    with atomic_folder(target) as folder:
        (folder / "b").write_text("third")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in target.parent.iterdir()] == ["model"]
    with pytest.raises(UserError, match="could not be written"), atomic_folder(target / "b" / "c"):
        pytest.fail("the folder was made inside a file")

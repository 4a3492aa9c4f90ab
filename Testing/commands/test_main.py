from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)


def test_a_users_error_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    result = run(sys.executable, "-m", "SemiSupervisedSegLib", "train", str(tmp_path), "--method", "cu2l")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: There is no study in")
    assert result.stderr.count("\n") == 1


def test_a_worker_without_a_job_says_so(tmp_path: Path) -> None:
    result = run(sys.executable, "-m", "SemiSupervisedSegLib", "worker", "--job", str(tmp_path / "none"))
    assert result.returncode == 2
    assert "There is no job in" in result.stderr
    assert not (tmp_path / "none").exists()


def test_help_is_quick_to_come_as_nothing_heavy_is_imported() -> None:
    script = (
        "import sys; from SemiSupervisedSegLib.__main__ import make_parser; make_parser();"
        "print({'torch', 'monai'} & set(sys.modules))"
    )
    result = run(sys.executable, "-c", script)
    assert result.stdout.strip() == "set()", result.stderr


def test_a_terminal_that_cannot_show_a_letter_gets_its_number(tmp_path: Path) -> None:
    folder, command = str(tmp_path / "s"), [sys.executable, "-m", "SemiSupervisedSegLib", "study"]
    create = [*command, "create", folder, "--name", "研究", "--modality", "MR", "--site", "北京", "--structure", "肝脏"]
    for encoding in ("ascii", "cp1252"):
        variables = os.environ | {"PYTHONIOENCODING": encoding}
        made = subprocess.run(create, capture_output=True, cwd=ROOT, env=variables, check=False)
        shown = subprocess.run([*command, "show", folder], capture_output=True, cwd=ROOT, env=variables, check=False)
        assert b"Traceback" not in made.stderr + shown.stderr
        assert rb"\u7814\u7a76" in shown.stdout
        (tmp_path / "s" / "study.json").unlink()


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("arguments", ["--help", "study --help", "train --help"])
def test_a_pipe_that_is_closed_ends_without_a_traceback(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a buffer nothing would be left to be written at the end.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    line = f"{sys.executable} -m SemiSupervisedSegLib {arguments} | true"
    result = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_no_output_at_all_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m SemiSupervisedSegLib methods >&-"
    result = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.returncode, result.stderr) == (0, "")

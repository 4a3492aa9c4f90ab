from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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

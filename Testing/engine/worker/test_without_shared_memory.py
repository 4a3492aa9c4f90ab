"""A container without /dev/shm, or with one of a few kilobytes, trains as any computer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .rounds import EXIT_FINISHED, new_round, tiny_study

# In name spaces of its own, so that only the worker sees it.
TINY = 'mount -t tmpfs -o size=4k tmpfs /dev/shm && exec "$@"'
ABSENT = 'umount -l /dev/shm && exec "$@"'


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/shm")
@pytest.mark.parametrize("change", [TINY, pytest.param(ABSENT, marks=pytest.mark.slow)], ids=["tiny", "absent"])
def test_a_round_needs_no_shared_memory(tmp_path: Path, change: str) -> None:
    private = ["unshare", "--mount", "sh", "-c", change, "sh"]
    if subprocess.run([*private, "true"], check=False, capture_output=True).returncode:
        pytest.skip("what is mounted can only be changed by an administrator")
    folder = new_round(tiny_study(tmp_path / "study"))
    command = [sys.executable, "-m", "SemiSupervisedSegLib", "worker", "--job", str(folder.path), "--detached"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([*private, *command], env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == EXIT_FINISHED, ended.stderr
    assert folder.model.is_dir()

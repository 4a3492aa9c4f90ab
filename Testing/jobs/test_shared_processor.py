"""A worker beside Slicer leaves a core free, yields to other programs, and its waiting threads sleep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import worker_arguments
from SemiSupervisedSegLib.jobs.shared_processor import available_cores, environment

ROOT = Path(__file__).resolve().parents[2]
REPORT = """
import json, os
from SemiSupervisedSegLib.jobs.shared_processor import share_processor
share_processor()
import torch
names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
print(json.dumps([torch.get_num_threads(), os.nice(0), *map(os.environ.get, names)]))
"""


def reported(**variables: str) -> list:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "KMP_", "MKL_"))}
    done = subprocess.run(
        [sys.executable, "-c", REPORT], cwd=ROOT, env=kept | variables, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(os.name == "nt", reason="Windows has classes of priority")
def test_a_shared_worker_leaves_a_core_and_priority_to_others_unless_the_user_says_otherwise() -> None:
    before = os.nice(0)
    threads = max(1, available_cores() - 1)
    assert reported() == [threads, before + 10, str(threads), "PASSIVE", "0"]
    assert reported(OMP_NUM_THREADS="3", OMP_WAIT_POLICY="ACTIVE")[1:] == [before + 10, "3", "ACTIVE", "0"]


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (8, "7")])
def test_one_core_is_left_free_where_there_is_more_than_one(cores: int, threads: str) -> None:
    assert environment(cores)["OMP_NUM_THREADS"] == threads


def test_only_a_worker_of_the_panel_shares(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert "--shared" not in worker_arguments(folder)
    assert worker_arguments(folder, detached=True, shared=True)[-2:] == ["--detached", "--shared"]

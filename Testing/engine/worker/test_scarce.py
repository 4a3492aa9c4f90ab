"""Disks and memories that are too small."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder

from .rounds import (
    EXIT_FAILED,
    EXIT_FINISHED,
    assert_fails_with,
    contents,
    copy_of,
    half_written,
    main,
    new_round,
    tiny_study,
)

KILOBYTE, MEGABYTE = 1000, 1_000_000


@pytest.mark.parametrize(("size", "what"), [(12 * KILOBYTE, "case-001-"), (10 * MEGABYTE, "last.pt")])
def test_a_full_disk_ends_in_a_sentence_and_the_round_goes_on_when_there_is_space(
    study_folder: Path, largest_file: Callable, size: int, what: str
) -> None:
    folder = new_round(tiny_study(study_folder))
    with largest_file(size):
        assert_fails_with(folder, "There is no space left to write", what, "Free some disk space")
    assert not list(folder.checkpoints.glob("*"))
    assert main(folder.path) == EXIT_FINISHED


def test_a_disk_that_is_full_at_the_end_keeps_the_checkpoint_and_the_older_model(
    finished: JobFolder, largest_file: Callable
) -> None:
    folder = copy_of(finished)
    with largest_file(5 * MEGABYTE):
        assert_fails_with(folder, "There is no space left to write model")
    assert main(folder.path) == EXIT_FINISHED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 megabytes: enough for one checkpoint, not for the second one beside it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=False).returncode
    ):
        pytest.skip("a disk can only be mounted by an administrator; the limit on files is tested above")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(small_disk: Path) -> None:
    folder = new_round(tiny_study(small_disk / "study"))
    assert main(folder.path) == EXIT_FAILED
    assert "There is no space left to write last.pt" in folder.events()[0][-1].message
    assert folder.status().state == "failed"
    assert set(contents(folder)) == {"checkpoints/last.pt", "job.json", "plan.json"}
    assert not half_written(small_disk)
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    began = folder.end_of_events()
    assert main(folder.path) == EXIT_FINISHED
    saved = [event.step for event in folder.events(began)[0] if type(event).__name__ == "CheckpointSaved"]
    assert saved == [2], "the first step is not done again"


LIMITED = """
import resource, sys
from pathlib import Path
# A worker imports these on its way; they shall not use up what is left for images.
import torch._dynamo
import SemiSupervisedSegLib.engine.worker.training_round
from SemiSupervisedSegLib.engine.worker.worker import main
used = next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmSize:"))
resource.setrlimit(resource.RLIMIT_AS, (used * 1024 + int(sys.argv[1]), resource.RLIM_INFINITY))
codes = [main(Path(folder)) for folder in sys.argv[2:]]
# Not that of getrusage, which begins at the peak of the process that started this one.
peak = next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM:"))
print("peak", peak * 1024)
sys.exit(max(codes) if min(codes) == max(codes) else 99)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no limit on the memory of a process")
def test_a_memory_that_does_not_suffice_ends_in_the_settings_to_lower(study_folder: Path) -> None:
    study = tiny_study(study_folder)
    rounds = [
        # The batch itself is too large, and the first layers are.
        new_round(study, settings={"labeled_batch": 256, "patch_size": "1024x1024"}),
        new_round(study, settings={"labeled_batch": 4, "patch_size": "1024x1024"}),
    ]
    command = [sys.executable, "-c", LIMITED, str(350 * MEGABYTE), *(str(folder.path) for folder in rounds)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == EXIT_FAILED, ended.stderr
    for folder in rounds:
        failure = folder.events()[0][-1]
        assert "memory" in failure.message
        for name in ("labeled_batch", "patch_size", "in_plane_scale"):
            assert f'"{name}"' in failure.advice
        assert folder.status().state == "failed"
        assert set(contents(folder)) == {"job.json", "plan.json"}
    assert not half_written(study_folder)
    assert "Traceback" not in ended.stderr
    assert int(ended.stdout.rsplit("peak ", 1)[1]) < 1500 * MEGABYTE, "the memory was never really used"

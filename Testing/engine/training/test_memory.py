from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="peak memory of a process is asked for in the way of Unix")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_cases(tmp_path: Path) -> None:
    peaks = {}
    for count in (12, 96):
        folder = tmp_path / str(count)
        folder.mkdir()
        script = Path(__file__).with_name("draw_batches.py")
        command = [sys.executable, str(script), str(folder), str(count), "320"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        peaks[count] = float(output[0])
        # Nearly all unlabeled cases have been drawn from, so they did pass through memory.
        assert int(output[1]) > 0.9 * 3 * count / 4
    # 96 cases have 103 MB, 16 MB may be in memory.
    assert peaks[96] - peaks[12] < 16

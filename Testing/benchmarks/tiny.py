"""Run a benchmark in its tiny form, as its tests do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(name: str, *options: str) -> str:
    """Return what a benchmark of this folder, such as `speed/method_costs.py`, prints in its tiny form."""
    command = [sys.executable, str(Path(__file__).parent / name), "--tiny", *options]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout

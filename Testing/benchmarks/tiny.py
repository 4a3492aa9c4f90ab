"""Run a benchmark in its tiny form, as its tests do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(name: str, *options: str) -> str:
    """Return what a benchmark, such as `speed.method_costs`, prints in its tiny form."""
    command = [sys.executable, "-m", f"Testing.benchmarks.{name}", "--tiny", *options]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout

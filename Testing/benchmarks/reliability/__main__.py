"""Run all benchmarks of reliability one after another and print one table.

    python -m Testing.benchmarks.reliability --quick --output FOLDER

Each runs in a process of its own, in its full form, or with `--quick` or `--tiny` in a short one. The exit code is 1 if
one of them found something; what it found stands above the table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from ..machine import describe_machine

NAMES = ("kill_and_resume", "fuzz", "disk_full", "clock_jumps", "two_workers", "soak")


def main() -> int:
    """Run them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="a few minutes in all")
    form.add_argument("--tiny", action="store_true", help="to see that all of them run")
    parser.add_argument("--output", type=Path, help="folder for their tables")
    options = parser.parse_args()
    arguments = ["--quick"] * options.quick + ["--tiny"] * options.tiny
    if options.output:
        arguments += ["--output", str(options.output)]
    rows = []
    for name in NAMES:
        print(f"\n== {name} ==", flush=True)
        began = time.monotonic()
        lines, code = _run(name, arguments)
        rows.append((name, lines[-1] if lines else "", "failed" if code else "passed", time.monotonic() - began))
    print(f"\n{describe_machine()}\n")
    for name, summary, verdict, seconds in rows:
        print(f"{name:<18}{verdict:<8}{seconds / 60:6.1f} min  {summary}")
    return 1 if any(verdict == "failed" for _, _, verdict, _ in rows) else 0


def _run(name: str, arguments: list[str]) -> tuple[list[str], int]:
    command = [sys.executable, "-m", f"{__package__}.{name}", *arguments]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines += [line.strip()] if line.strip() else []
    return lines, process.returncode


if __name__ == "__main__":
    sys.exit(main())

"""How long the panel keeps the main thread of desktop Slicer busy with what a user does, as a table.

python -m Testing.benchmarks.panel SLICER [--checkout FOLDER] [--size X Y Z] [--study FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import in_slicer
from .study import make_large_study

_ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Make the study, start Slicer and print a row for each action; 1 if Slicer failed."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        study = options.study or Path(temporary) / "study"
        if not study.exists():
            make_large_study(study, tuple(options.size))
        output = Path(temporary) / "rows.json"
        command = [str(options.slicer), "--no-splash", "--testing"]
        command += ["--additional-module-paths", str(options.checkout / "SemiSupervisedSeg")]
        command += ["--python-script", str(Path(in_slicer.__file__))]
        environment = os.environ | {in_slicer.STUDY: str(study), in_slicer.OUTPUT: str(output)}
        status = subprocess.run(command, env=environment, check=False).returncode
        if status or not output.exists():
            print(f"Slicer ended with {status}.", file=sys.stderr)
            return 1
        _print_table(json.loads(output.read_text(encoding="utf-8")))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slicer", type=Path, help="program of desktop Slicer")
    parser.add_argument("--checkout", type=Path, default=_ROOT, help="folder of the checkout to measure")
    parser.add_argument(
        "--size", type=int, nargs=3, default=(512, 512, 200), help="voxels of an image along x, y and z"
    )
    parser.add_argument("--study", type=Path, help="folder of the study, made if it does not exist; else temporary")
    return parser.parse_args()


def _print_table(rows: list[dict[str, str | int]]) -> None:
    print("| Action | Longest gap, ms | CPU of it, ms | CPU of all gaps, ms |\n| --- | --- | --- | --- |")
    for row in rows:
        print("| {action} | {gap_ms} | {gap_cpu_ms} | {cpu_ms} |".format(**row))


if __name__ == "__main__":
    sys.exit(main())

"""All benchmarks of speed and memory, one after another, and which targets are met.

python -m Testing.benchmarks.speed [--quick] [--output FOLDER]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from .report import TARGETS, Target, parser, read_csv

BENCHMARKS = {
    "start_up": (),
    "first_prediction": (),
    "training_speed": ("--methods", "all"),
    "inference": (),
    "profile_step": (),
    "scaling": (),
    "training_memory": (),
    "method_costs": (),
}


def main() -> int:
    """Run all and print the targets; 1 if a benchmark failed, which a missed target is not."""
    options = parser(__doc__).parse_args()
    form = [f"--{name}" for name in ("quick", "tiny") if getattr(options, name)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.output or Path(temporary)
        failed = []
        for name, further in BENCHMARKS.items():
            print(f"\n== {name}", flush=True)
            command = [sys.executable, "-m", f"{__package__}.{name}", *form, *further, "--output", str(folder)]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
        print("\n== targets")
        for row in read_csv(folder / TARGETS):
            print(Target(**{**row, "met": row["met"] == "True"}))
    if failed:
        print(f"These benchmarks failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Time and peak memory of the work on a study of 10, 100 and 1,000 small cases.

    python -m Testing.benchmarks.speed.scaling [--quick] [--output FOLDER]

Each piece of work runs in a process of its own on the same synthetic images: adding the cases to a new study,
`study show`, opening the study in the panel's session, writing the job of a round, preprocessing, and the same again
with everything in the cache, which every later round begins with. Seconds are those of the work alone, memory is the
peak of the process. What should hold is that the time of a case does not grow with their number: the largest study is
compared with one of a tenth of its cases, and twice the time of a case is allowed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from SemiSupervisedSegLib.phantom.generate import generate_study

from .report import Report, parser
from .scaling_work import WORK

ALLOWED_GROWTH = 2.0
_LEAST_SECONDS = 0.1
"""Shorter work is all beginning and no growth."""
_SIZE = (32, 32, 6)


def measure(work: str, source: Path, folder: Path) -> dict[str, float]:
    """Do a piece of work in a process of its own; return seconds, CPU seconds and MB."""
    command = [sys.executable, "-m", "Testing.benchmarks.speed.scaling_work", work, str(source), str(folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def measure_all(cases: int, report: Report) -> dict[str, dict[str, float]]:
    """Do all work on a study of so many cases, and print and keep its figures."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        labeled = max(1, cases // 10)
        counts = {"labeled": labeled, "unlabeled": cases - labeled, "external": 0, "validation": 0}
        generate_study(source, structures=1, size=_SIZE, oblique=False, **counts)
        for work in WORK:
            figures = found[work] = measure(work, source, Path(folder) / "study")
            each = 1000 * figures["cpu_s"] / cases
            print(
                f"{cases:6d} cases  {work:<32}{figures['seconds']:9.2f} s{figures['cpu_s']:9.2f} CPU s"
                f"{each:9.2f} CPU ms a case{figures['peak_mb']:8.0f} MB",
                flush=True,
            )
            report.add(cases=cases, work=work, **figures, cpu_ms_per_case=each)
    return found


def main() -> None:
    """Measure studies of all sizes."""
    options = parser(__doc__).parse_args()
    sizes = (2, 4) if options.tiny else (10, 100) if options.quick else (10, 100, 1000)
    report = Report("scaling", options.output)
    found = {cases: measure_all(cases, report) for cases in sizes}
    small, large = sizes[-2:]
    for work in WORK:
        before, after = found[small][work], found[large][work]
        growth = (after["cpu_s"] / large) / (max(before["cpu_s"], _LEAST_SECONDS) / small)
        description = f"{growth:.2f} times"
        report.judge(
            f"{work}, CPU time of a case from {small} to {large}",
            f"at most {ALLOWED_GROWTH:g} times",
            description,
            growth <= ALLOWED_GROWTH,
        )
    report.write()


if __name__ == "__main__":
    main()

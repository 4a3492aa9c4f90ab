"""Time the start of a worker, and of the module in Slicer's process.

    python -m Testing.benchmarks.speed.start_up [--quick] [--output FOLDER]

A worker is launched on a synthetic study of a few small images, and its events are watched: how long until it says that
it has started, and until its first training step is done, with all images read and preprocessed. The time that Python
takes to import PyTorch alone is printed beside it, which no worker can do without.

The module is imported in a fresh process where Slicer's core, Qt and what stands for the rest of the application are
there already: first its file, which Slicer reads at every start, then the panel with all its sections, which it imports
when the user opens the module. NumPy and SimpleITK come before it, which other modules of Slicer use as well. PyTorch
must stay out of the process. All figures are medians, of starts after one that leaves compiled bytecode, as users have
it; what Python compiles is this project's own code.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from SemiSupervisedSegLib.jobs.events import Started, StepDone
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch, worker_environment
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Study

from .report import Report, parser

STARTED_TARGET, IMPORT_TARGET = 5.0, 0.2
_SETTINGS = {"steps": 1, "dimension": "2d", "patch_size": "32x32", "labeled_batch": 1, "unlabeled_batch": 1}
_POLL_SECONDS = 0.005
_IMPORT_TORCH = "import time; start = time.perf_counter(); import torch; print(time.perf_counter() - start)"


def worker_times(study: Study) -> dict[str, float]:
    """Launch a worker; return the seconds, by the clock and of the processor, to its start and to its first step."""
    job = next_round(study.folder, "mean_teacher")
    job.write_spec(make_training_spec(study, "mean_teacher", "quick", _SETTINGS, device="cpu"))
    start = time.perf_counter()
    worker = launch(job)
    process, times = psutil.Process(worker.pid), {}
    try:
        while "first_step" not in times:
            if worker.poll() is not None:
                raise RuntimeError(f"The worker ended: {job.status().message}")
            for event in worker.new_events():
                name = {Started: "started", StepDone: "first_step"}.get(type(event))
                if name:
                    used = process.cpu_times()
                    times |= {name: time.perf_counter() - start, f"{name}_cpu": used.user + used.system}
            time.sleep(_POLL_SECONDS)
    finally:
        worker.kill_tree()
    return times


def torch_seconds() -> float:
    """Seconds in which a fresh Python imports PyTorch."""
    command = [sys.executable, "-c", _IMPORT_TORCH]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=worker_environment()).stdout)


def module_times() -> dict[str, float]:
    """Import the module and the panel in a fresh process; return seconds, and whether PyTorch came with them."""
    command = [sys.executable, "-m", "Testing.benchmarks.speed.module_import"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """Median of each figure."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def measure_worker(report: Report, repeats: int) -> None:
    """Print and keep the figures of workers."""
    with tempfile.TemporaryDirectory() as folder:
        study = generate_study(Path(folder), labeled=1, unlabeled=2, external=0, validation=0, size=(32, 32, 4))
        if repeats > 1:
            worker_times(study)
        found = medians([worker_times(study) | {"torch": torch_seconds()} for _ in range(repeats)])
    print(f"worker, medians of {repeats}")
    print(f"  import of PyTorch alone {found['torch']:6.2f} s")
    for name, title in (("started", "says that it started"), ("first_step", "first step done")):
        print(f"  {title:<24}{found[name]:6.2f} s {found[f'{name}_cpu']:6.2f} CPU s")
    for name, seconds in found.items():
        report.add(what=f"worker_{name}", seconds=seconds)
    started = found["started"]
    report.judge("start of the worker", f"under {STARTED_TARGET:g} s", f"{started:.2f} s", started < STARTED_TARGET)


def measure_module(report: Report, repeats: int) -> None:
    """Print and keep the figures of the module in Slicer's process."""
    if repeats > 1:
        module_times()
    runs = [module_times() for _ in range(repeats)]
    found = medians(runs)
    print(f"module in Slicer's process, medians of {repeats}")
    titles = {
        "module": "file of the module",
        "panel": "panel, after the packages",
        "packages": "packages: NumPy, SimpleITK",
    }
    for name, title in titles.items():
        print(f"  {title:<28}{found[name]:6.3f} s {found[f'{name}_cpu']:6.3f} CPU s")
    for name, seconds in found.items():
        report.add(what=f"module_{name}", seconds=seconds)
    ours = found["module"] + found["panel"]
    report.judge("import of the module", f"under {IMPORT_TARGET:g} s", f"{ours:.3f} s", ours < IMPORT_TARGET)
    torch = max(run["torch"] for run in runs)
    report.judge("PyTorch in Slicer's process", "no", "yes" if torch else "no", not torch)


def main() -> None:
    """Measure both."""
    options: argparse.Namespace = parser(__doc__).parse_args()
    report = Report("start_up", options.output)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    repeats = 1 if options.tiny else 3 if options.quick else 7
    measure_worker(report, repeats)
    measure_module(report, repeats)
    report.write()


if __name__ == "__main__":
    main()

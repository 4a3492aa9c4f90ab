"""Train for hours and watch the worker's memory, open files, threads and disk.

    python -m Testing.benchmarks.reliability.soak --minutes 120 --output FOLDER

A worker trains CU2L on a small synthetic study, with checkpoints, validation and previews every few minutes, until the
time is over. The first quarter of the samples is warm-up and left out. A robust line (Theil-Sen) is fitted to the
remaining ones; the table has its rise per hour, and the largest value above the first one after the warm-up.
Memory is flat when its line rises by less than 3 % of the median over the whole time; open files and threads, when
theirs rise by less than one. The exit code is 1 if something is not flat, or if the worker does not stop on request. A
line through a few minutes says little, so the short forms show it without judging memory. With `--output`, soak.csv has
all samples and soak.png shows memory over time.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import psutil
from scipy.stats import theilslopes

from SemiSupervisedSegLib.jobs.events import Event, Progress, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

MEGABYTE = 1e6
SETTINGS = {
    "steps": 1_000_000,
    "labeled_batch": 1,
    "unlabeled_batch": 1,
    "external_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 200,
    "validation_interval": 400,
    "preview_interval": 400,
    "threads": 1,
}
EXIT_STOPPED = 3
WARM_UP = 0.25
JUDGED_MINUTES = 30
LARGEST_RISE = 0.03


@dataclass(frozen=True)
class Sample:
    """What a worker used at one moment."""

    minutes: float
    memory_mb: float
    open_files: int
    threads: int
    disk_mb: float
    step: int


@dataclass(frozen=True)
class Trend:
    """How a quantity went after the warm-up: median, rise of the robust line per hour and over all, largest rise."""

    name: str
    median: float
    per_hour: float
    over_all: float
    largest: float

    def is_flat(self) -> bool:
        """Whether the line rises by nothing that matters; the disk grows by the log of the round."""
        limits = {"memory_mb": LARGEST_RISE * self.median, "open_files": 1.0, "threads": 1.0}
        return self.over_all < limits.get(self.name, np.inf)


def soak(folder: Path, minutes: float, seconds_between: float, table: Path | None) -> tuple[list[Sample], int]:
    """Train for some minutes in a study made in `folder` and return the samples and how the worker ended."""
    counts = {"labeled": 2, "unlabeled": 4, "external": 4, "validation": 2}
    study = generate_study(folder, sites=2, size=(48, 48, 6), **counts)
    place = next_round(study.folder, "cu2l")
    place.write_spec(make_training_spec(study, "cu2l", "quick", SETTINGS, device="cpu"))
    worker = launch(place)
    try:
        _wait_for(worker, lambda event: isinstance(event, Progress) and event.stage == "preprocess")
        samples = _watch(worker, minutes, seconds_between, table)
        return samples, worker.cancel()
    finally:
        worker.kill_tree()


def _watch(worker: WorkerProcess, minutes: float, seconds_between: float, table: Path | None) -> list[Sample]:
    samples: list[Sample] = []
    process, began, step = psutil.Process(worker.pid), time.monotonic(), 0
    with open(table or os.devnull, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Sample)])
        while (passed := (time.monotonic() - began) / 60) < minutes and worker.poll() is None:
            step = max([step, *(event.step for event in worker.new_events() if isinstance(event, StepDone))])
            samples.append(_sample(process, worker.folder, passed, step))
            writer.writerow(astuple(samples[-1]))
            file.flush()
            time.sleep(seconds_between)
    return samples


def _sample(process: psutil.Process, folder: JobFolder, minutes: float, step: int) -> Sample:
    with process.oneshot():
        used = process.memory_info().rss / MEGABYTE
        counts = process.num_fds(), process.num_threads()
    return Sample(round(minutes, 3), round(used, 2), *counts, round(_size(folder.path.parents[1]) / MEGABYTE, 3), step)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # replaced at this moment
                continue
    return total


def _wait_for(worker: WorkerProcess, wanted: object) -> None:
    events: list[Event] = []
    while worker.poll() is None and not any(map(wanted, events)):
        time.sleep(0.1)
        events = worker.new_events()


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """Fit a robust line to every quantity of the samples after the warm-up."""
    kept = samples[int(WARM_UP * len(samples)) :]
    hours = np.array([sample.minutes for sample in kept]) / 60
    found = []
    for name in ("memory_mb", "open_files", "threads", "disk_mb"):
        values = np.array([getattr(sample, name) for sample in kept], dtype=float)
        slope = float(theilslopes(values, hours).slope)
        over_all = slope * (hours[-1] - hours[0])
        found.append(Trend(name, float(np.median(values)), slope, over_all, float(values.max() - values[0])))
    return found


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Draw memory over time, with the line through it."""
    # Not needed without a picture, and slow to load.
    from matplotlib.figure import Figure

    minutes = np.array([sample.minutes for sample in samples])
    memory = np.array([sample.memory_mb for sample in samples])
    first = int(WARM_UP * len(samples))
    fit = theilslopes(memory[first:], minutes[first:])
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(minutes, memory, linewidth=0.8, label="memory of the worker")
    line = fit.intercept + fit.slope * minutes[first:]
    axes.plot(minutes[first:], line, label=f"robust line, {60 * fit.slope:+.2f} MB per hour")
    axes.set(xlabel="minutes", ylabel="MB", ylim=(0, 1.15 * memory.max()))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> int:
    """Run the soak and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--quick", action="store_true", help="three minutes")
    parser.add_argument("--tiny", action="store_true", help="a few seconds")
    parser.add_argument("--output", type=Path, help="folder for soak.csv and soak.png")
    options = parser.parse_args()
    minutes, between = options.minutes, 5.0
    if options.quick or options.tiny:
        minutes, between = (3.0, 1.0) if options.quick else (0.05, 0.1)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        table = options.output and options.output / "soak.csv"
        samples, code = soak(Path(temporary) / "study", minutes, between, table)
    if options.output:
        draw(samples, options.output / "soak.png")
    return report(samples, code)


def report(samples: Sequence[Sample], code: int) -> int:
    """Print what the samples show and return the exit code of the benchmark."""
    ran, steps = samples[-1].minutes, samples[-1].step
    print(f"{ran:.1f} minutes, {steps} steps, {len(samples)} samples; the worker ended with exit code {code}")
    print(f"{'':<12}{'median':>10}{'rise per hour':>15}{'over all':>10}{'largest rise':>14}  flat")
    rising = 0
    for trend in trends(samples):
        is_judged = trend.name != "disk_mb" and (trend.name != "memory_mb" or ran >= JUDGED_MINUTES)
        rising += is_judged and not trend.is_flat()
        verdict = ("yes" if trend.is_flat() else "NO") if is_judged else "-"
        numbers = f"{trend.median:10.1f}{trend.per_hour:15.2f}{trend.over_all:10.2f}{trend.largest:14.2f}"
        print(f"{trend.name:<12}{numbers}  {verdict}")
    failed = rising + (code != EXIT_STOPPED)
    print(f"{ran:.1f} minutes, memory {trends(samples)[0].per_hour:+.2f} MB per hour, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

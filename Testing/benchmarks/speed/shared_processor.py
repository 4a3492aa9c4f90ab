"""Time a training beside a program that keeps a core busy, and how much of its core that program loses.

    python -m Testing.benchmarks.speed.shared_processor [--quick] [--output FOLDER]

Rounds of Mean Teacher on synthetic slices (4 + 4 patches of 64 x 64) run as the command line starts them, and as the
panel does (a core left free, lower priority, waiting threads sleep), each alone and beside processes that compute
without a pause, by turns. Printed are the median seconds of a step, and which share of its speed alone a busy process
keeps. All figures are of one run on one machine; only their ratios say something.
"""

from __future__ import annotations

import itertools
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from SemiSupervisedSegLib.jobs.events import StepDone
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, worker_arguments
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Study

from .report import Report, parser

INTERVAL = 10
"""Steps between two events, see `engine.training.log`."""
SETTINGS = {
    "patch_size": "64x64",
    "labeled_batch": 4,
    "unlabeled_batch": 4,
    "validation_interval": 0,
    "preview_interval": 0,
}
WAYS = {"command line": False, "panel": True}


def count_forever(counter: Synchronized) -> None:
    """Compute without a pause and count how often."""
    while True:
        sum(range(20_000))
        counter.value += 1


@contextmanager
def busy_processes(count: int) -> Iterator[list[Synchronized]]:
    """Run processes that compute without a pause; yield the counter of each."""
    counters = [multiprocessing.Value("L", 0, lock=False) for _ in range(count)]
    processes = [multiprocessing.Process(target=count_forever, args=(counter,), daemon=True) for counter in counters]
    for process in processes:
        process.start()
    try:
        yield counters
    finally:
        for process in processes:
            process.terminate()
            process.join()


def speed_of(counters: list[Synchronized], seconds: float) -> float:
    """Return how often a busy process computes in a second, from some seconds of waiting."""
    before = sum(counter.value for counter in counters)
    time.sleep(seconds)
    return (sum(counter.value for counter in counters) - before) / seconds / max(1, len(counters))


def train(study: Study, shared: bool, steps: int, counters: list[Synchronized]) -> tuple[float, float]:
    """Train a round; return the median seconds of its steps, and the speed of the busy processes meanwhile."""
    job = next_round(study.folder, "mean_teacher")
    # The last steps come with a checkpoint and are left out.
    settings = SETTINGS | {"steps": steps + INTERVAL, "checkpoint_interval": steps + INTERVAL}
    job.write_spec(make_training_spec(study, "mean_teacher", "quick", settings, device="cpu"))
    worker = WorkerProcess(job, [sys.executable, *worker_arguments(job, shared=shared)])
    times: list[float] = []
    counts: list[int] = []
    try:
        for event in worker.events():
            if isinstance(event, StepDone):
                times.append(event.time)
                counts.append(sum(counter.value for counter in counters))
                if event.step >= steps:
                    break
    finally:
        worker.kill_tree()
    # The first steps warm up.
    paces = [(after - before) / INTERVAL for before, after in itertools.pairwise(times)]
    speed = (counts[-1] - counts[0]) / (times[-1] - times[0]) / max(1, len(counters))
    return statistics.median(paces), speed


def measure(report: Report, busy: int, steps: int, repeats: int) -> None:
    """Measure both ways alone and beside busy processes, by turns."""
    with tempfile.TemporaryDirectory() as folder:
        study = generate_study(Path(folder), labeled=2, unlabeled=4, external=0, validation=0, size=(96, 96, 8))
        with busy_processes(busy) as counters:
            alone = speed_of(counters, 2.0)
        rows = []
        for _ in range(repeats):
            for way, shared in WAYS.items():
                rows.append((way, 0, *train(study, shared, steps, [])))
                print(f"  {way}, alone: {rows[-1][2]:.3f} s a step", flush=True)
                with busy_processes(busy) as counters:
                    rows.append((way, busy, *train(study, shared, steps, counters)))
                print(f"  {way}, beside {busy}: {rows[-1][2]:.3f} s a step", flush=True)
    print(f"{'started by':<14}{'busy processes':>16}{'s a step':>10}{'kept by them':>14}")
    found = {}
    for way, others in {(row[0], row[1]): None for row in rows}:
        chosen = [row for row in rows if row[:2] == (way, others)]
        seconds = statistics.median(row[2] for row in chosen)
        share = statistics.median(row[3] for row in chosen) / alone if others else float("nan")
        found[way, others] = seconds, share
        report.add(started_by=way, busy=others, seconds=seconds, kept=share)
        print(f"{way:<14}{others:>16}{seconds:>10.3f}{share if others else 0:>13.0%} ")
    faster = found["command line", busy][0] / found["panel", busy][0]
    report.judge("a step beside busy processes, panel", "no slower", f"{faster:.2f} times as fast", faster >= 1)
    kept = found["panel", busy][1]
    report.judge("speed that a busy process keeps", "at least 80 %", f"{kept:.0%}", kept >= 0.8)


def main() -> None:
    """Measure beside one busy process."""
    options = parser(__doc__).parse_args()
    steps, repeats = (20, 1) if options.tiny else (30, 1) if options.quick else (50, 3)
    report = Report("shared_processor", options.output)
    measure(report, busy=1, steps=steps, repeats=repeats)
    report.write()


if __name__ == "__main__":
    main()

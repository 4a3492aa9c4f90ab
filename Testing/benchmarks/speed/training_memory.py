"""Compare the peak memory of a worker that trains on few and on many cases.

    python -m Testing.benchmarks.speed.training_memory [--quick] [--output FOLDER]

The preprocessed images of the many cases exceed the memory set aside for images many times. Both rounds run in workers
of their own, whose resident memory is sampled twenty times a second until training ends.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

from .report import Report, parser

BUDGET_MB = 16
GROWTH_MB = 50
_AFTER_TRAINING = ("model", "predict", "evaluate")
_SETTINGS = {
    "cache_budget_mb": BUDGET_MB,
    "labeled_batch": 2,
    "unlabeled_batch": 2,
    "patch_size": "64x64",
    "in_plane_scale": 1.0,
    "dimension": "2d",
    "checkpoint_interval": 1000,
    "preview_interval": 0,
    "validation_interval": 0,
    "threads": 1,
}


def peak_memory(folder: Path, cases: int, size: tuple[int, int, int], steps: int) -> tuple[float, float]:
    """Train on a generated study; return the worker's peak memory to the end of training and all images, in MB."""
    counts = {"labeled": cases // 5, "unlabeled": cases - cases // 5, "external": 0, "validation": 0}
    study = generate_study(folder, structures=1, size=size, oblique=False, **counts)
    job = next_round(study.folder, "mean_teacher")
    job.write_spec(make_training_spec(study, "mean_teacher", "quick", _SETTINGS | {"steps": steps}, device="cpu"))
    peak = _peak_while_training(job)
    images = sum(path.stat().st_size for path in (folder / "cache").rglob("image.npy"))
    return peak, images / 2**20


def _peak_while_training(job: JobFolder) -> float:
    worker = launch(job)
    process, peak = psutil.Process(worker.pid), 0.0
    try:
        while (status := job.status()).stage not in _AFTER_TRAINING:
            if worker.poll() is not None:
                raise RuntimeError(f"The worker {status.state}: {status.message}")
            peak = max(peak, process.memory_info().rss / 2**20)
            time.sleep(0.05)
    finally:
        # Predictions of all cases would take longer than the training that is measured.
        worker.kill_tree()
    return peak


def main() -> None:
    """Measure both."""
    options = parser(__doc__).parse_args()
    report = Report("training_memory", options.output)
    few, many, size, steps = 20, 400, (128, 128, 6), 400
    if options.quick:
        many, steps = 80, 120
    if options.tiny:
        few, many, size, steps = 5, 6, (64, 64, 4), 2
    peaks = {}
    for cases in (few, many):
        with tempfile.TemporaryDirectory() as folder:
            peaks[cases], images = peak_memory(Path(folder), cases, size, steps)
        print(f"{cases:4d} cases, {images:4.0f} MB of images, {BUDGET_MB} MB for them: peak {peaks[cases]:5.0f} MB")
        report.add(cases=cases, images_mb=images, peak_mb=peaks[cases])
    grown = peaks[many] - peaks[few]
    print(f"{grown:+.0f} MB, {peaks[many] / peaks[few]:.2f} times", flush=True)
    flat = f"at most {GROWTH_MB} MB more"
    report.judge(f"memory of {many} cases beside {few}", flat, f"{grown:+.0f} MB", grown <= GROWTH_MB)
    report.write()


if __name__ == "__main__":
    main()

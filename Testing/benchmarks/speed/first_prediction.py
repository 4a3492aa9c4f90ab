"""Time from Start to the first prediction that a user can see while a round trains.

    python -m Testing.benchmarks.speed.first_prediction [--quick] [--method cu2l] [--output FOLDER]

A worker is launched, as the panel does it, with the preset "quick" on a synthetic study of the size that a clinic
begins with, and its events are followed until the first preview is on the disk. The output is when each part began.
Most of the time goes to the training steps before the first preview; --quick has smaller images and fewer steps.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.events import Event, PreviewReady, StageStarted, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

from .report import Report, parser

_POLL_SECONDS = 0.02
_SPACING = (1.4, 1.4, 8.0)


def follow(job: JobFolder) -> list[tuple[str, float, float]]:
    """Run a worker to its first preview; return what happened, with seconds and CPU seconds since the launch."""
    seen: list[tuple[str, float, float]] = []
    start = time.perf_counter()
    worker = launch(job)
    process = psutil.Process(worker.pid)
    try:
        while True:
            if worker.poll() is not None:
                raise RuntimeError(f"The worker ended: {job.status().message}")
            for event in worker.new_events():
                used = process.cpu_times()
                happened = _happened(event)
                if happened:
                    seen.append((happened, time.perf_counter() - start, used.user + used.system))
                if isinstance(event, PreviewReady):
                    return seen
            time.sleep(_POLL_SECONDS)
    finally:
        worker.kill_tree()


def _happened(event: Event) -> str | None:
    match event:
        case Started():
            return "worker started"
        case StageStarted():
            return f"began: {event.title}"
        case StepDone():
            return f"step {event.step} done"
        case PreviewReady():
            return "first prediction on disk"
    return None


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--method", default="mean_teacher", choices=load_catalogue().methods)
    options = options.parse_args()
    size, counts, settings = (256, 256, 12), (5, 20), {}
    if options.quick:
        size, counts, settings = (128, 128, 8), (3, 6), {"preview_interval": 20}
    if options.tiny:
        size, counts, settings = (48, 48, 4), (1, 2), {"preview_interval": 1, "patch_size": "32x32", "threads": 1}
    report = Report("first_prediction", options.output)
    with tempfile.TemporaryDirectory() as folder:
        cases = {"labeled": counts[0], "unlabeled": counts[1], "external": counts[1] // 2, "validation": 2}
        study = generate_study(Path(folder), size=size, spacing=_SPACING, **cases)
        job = next_round(study.folder, options.method)
        job.write_spec(make_training_spec(study, options.method, "quick", settings, device="auto"))
        seen = follow(job)
    print(f"{options.method}, preset quick, {sum(cases.values())} cases of {'x'.join(map(str, size))} voxels")
    for what, seconds, cpu_seconds in seen:
        if not what.startswith("step") or what == next(name for name, *_ in seen if name.startswith("step")):
            print(f"  {what:<32}{seconds:8.2f} s{cpu_seconds:10.2f} CPU s")
        report.add(what=what, seconds=seconds, cpu_s=cpu_seconds)
    report.write()


if __name__ == "__main__":
    main()

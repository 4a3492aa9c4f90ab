"""What a comparison of hundreds of trainings costs beside the trainings: its files, its table and asking for news."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from SemiSupervisedSegLib.engine.evaluation.comparison_scores import make_table
from SemiSupervisedSegLib.jobs.comparison import Comparison, Training
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.jobs.executor import LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.phantom.generate import generate_study

from ..machine import describe_machine
from .stand_in import finish


class Endless:
    """A worker that only runs."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder

    def poll(self) -> None:
        """Return that it runs."""
        return


def measure(home: Path, seeds: int, counts: tuple[int, ...], steps: int) -> None:
    """Print the costs of a comparison of two methods in two folds."""
    study = generate_study(home / "study", labeled=11, unlabeled=1, external=0, validation=1, size=(32, 32, 4))
    began = time.perf_counter()
    spec = make_comparison_spec(
        study, ("supervised", "mean_teacher"), "quick", {}, folds=2, seeds=range(seeds), label_counts=counts
    )
    comparison = new_comparison(study, spec)
    trainings = comparison.trainings()
    print(f"{len(trainings)} trainings: made in {time.perf_counter() - began:.1f} s")
    _measure_polling(trainings)
    began = time.perf_counter()
    for training in trainings:
        finish(training.folder, steps)
    size = sum(training.folder.events_file.stat().st_size for training in trainings) / len(trainings)
    print(f"events of {steps} reported steps: {size / 1000:.0f} kB a training")
    for what in ("first table, which reads all", "table after that, which reads what is new"):
        began = time.perf_counter()
        make_table(comparison)
        print(f"{what}: {time.perf_counter() - began:.2f} s")
    _measure_size(comparison)


def _measure_polling(trainings: list[Training]) -> None:
    queue = LocalQueue(Endless, limit=8)  # type: ignore[arg-type]
    queue.submit_together([training.folder for training in trainings])
    began = time.process_time()
    for _ in range(10):
        for training in trainings:
            if queue.state(training.folder) != "waiting":
                queue.events(training.folder)
    print(f"asking for the state of all, 8 of them running: {(time.process_time() - began) / 10 * 1000:.1f} ms")


def _measure_size(comparison: Comparison) -> None:
    began = time.perf_counter()
    files = [path for path in comparison.path.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB without models, ", end="")
    print(f"listed in {time.perf_counter() - began:.2f} s")


def main() -> None:
    """Print the costs of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="8 trainings instead of 500")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), *((2, (), 10) if options.tiny else (25, (1, 2, 3, 4, 5), 500)))


if __name__ == "__main__":
    main()

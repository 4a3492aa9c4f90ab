"""What a training keeps on disk for a case of usual size, and how long it takes to prepare one."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from SemiSupervisedSegLib.jobs.events import StageStarted
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

from ..machine import describe_machine

_SETTINGS = {"steps": 2, "labeled_batch": 1, "patch_size": "64x64", "threads": 1}


def seconds_of(folder: JobFolder, stage: str) -> float:
    """Return how long a stage of a job took."""
    starts = [event for event in folder.events()[0] if isinstance(event, StageStarted)]
    number = next(number for number, event in enumerate(starts) if event.name == stage)
    return starts[number + 1].time - starts[number].time


def size_of(folder: Path) -> float:
    """Return the size of all files in a folder in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measure(home: Path, size: tuple[int, int, int]) -> None:
    """Print the costs of a case (columns, rows, slices) with a training of two steps."""
    study = generate_study(home / "study", labeled=2, unlabeled=0, external=0, validation=2, size=size)
    folder = next_round(study.folder, "supervised")
    folder.write_spec(make_training_spec(study, "supervised", "quick", _SETTINGS, device="cpu"))
    assert launch(folder).wait() == 0, folder.log.read_text()
    cases = len(folder.spec().cases)
    print(f"a case of {'x'.join(map(str, size))} voxels: ", end="")
    for stage in ("inspect", "preprocess", "predict"):
        print(f"{stage} {seconds_of(folder, stage) / cases:.2f} s, ", end="")
    prepared, segmented = (size_of(place) / cases for place in (study.layout.cache, folder.predictions))
    maps = sum(path.stat().st_size for path in folder.predictions.glob("*/*.nrrd") if ".seg." not in path.name) / 1e6
    print(f"{prepared:.1f} MB prepared, {segmented:.1f} MB segmented, {maps / cases:.1f} MB of them maps")
    print(f"model {size_of(folder.model):.1f} MB, checkpoints {size_of(folder.checkpoints):.1f} MB")


def main() -> None:
    """Print the costs of a case on disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="cases of 32x32x4 voxels")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), (32, 32, 4) if options.tiny else (256, 256, 64))


if __name__ == "__main__":
    main()

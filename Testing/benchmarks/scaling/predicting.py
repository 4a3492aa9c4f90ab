"""Memory and time of a case when a folder of a thousand images is segmented, and the size of what is left."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

from ..machine import describe_machine

_SETTINGS = {"steps": 2, "labeled_batch": 1, "patch_size": "32x32", "in_plane_scale": 1.0, "threads": 1}


def train_model(home: Path) -> JobFolder:
    """Train a network for two steps, which takes as long to apply as any other."""
    study = generate_study(home / "study", labeled=1, unlabeled=0, external=0, validation=1, size=(32, 32, 4))
    folder = next_round(study.folder, "supervised")
    folder.write_spec(make_training_spec(study, "supervised", "quick", _SETTINGS, device="cpu"))
    assert launch(folder).wait() == 0, folder.log.read_text()
    return folder


def measure(home: Path, model: Path, images: Path, jobs: int) -> None:
    """Print memory and time of the command predict."""
    output, count = home / f"out-{jobs}", len(list(images.iterdir()))
    command = [sys.executable, "-m", "SemiSupervisedSegLib", "predict", str(images), "--model", str(model)]
    command += ["--output", str(output), "--device", "cpu", "--threads", "1", "--jobs", str(jobs)]
    began = time.perf_counter()
    process, most = subprocess.Popen(command, stdout=subprocess.DEVNULL), {"command": 0, "worker": 0}
    while process.poll() is None:
        _note_memory(process.pid, most)
        time.sleep(0.5)
    seconds = time.perf_counter() - began
    print(f"{count} cases, {jobs} at a time: {seconds:.0f} s, {seconds / count * 1000:.0f} ms a case, ", end="")
    print(f"memory at most {most['command'] / 1e6:.0f} MB in the command and {most['worker'] / 1e6:.0f} MB in a worker")
    sizes = [path.stat().st_size for path in (output / "predictions").rglob("*") if path.is_file()]
    job = JobFolder(output)
    print(f"  {sum(sizes) / count / 1000:.1f} kB of results a case in {len(sizes) / count:.0f} files, ", end="")
    print(f"result.json {job.result_file.stat().st_size / count / 1000:.2f} kB a case, ", end="")
    print(f"events {job.events_file.stat().st_size / count / 1000:.2f} kB a case")


def _note_memory(pid: int, most: dict[str, int]) -> None:
    try:
        process = psutil.Process(pid)
        most["command"] = max(most["command"], process.memory_info().rss)
        for worker in process.children(recursive=True):
            most["worker"] = max(most["worker"], worker.memory_info().rss)
    except psutil.NoSuchProcess:
        return


def main() -> None:
    """Print the costs of a prediction of many images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="6 images instead of 1,000")
    parser.add_argument("--cases", type=int, default=1000, help="number of images (1000)")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="numbers of shards at a time (1 2)")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder, images = train_model(home), home / "images"
        images.mkdir()
        image = sitk.ReadImage(folder.spec().cases[0].image)
        for number in range(6 if options.tiny else options.cases):
            sitk.WriteImage(image + number % 7, str(images / f"image-{number:05d}.nrrd"))
        print(f"round of {len(folder.spec().cases)} cases: ", end="")
        files = [path for path in folder.path.rglob("*") if path.is_file()]
        print(f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB, of which the model has ", end="")
        print(f"{sum(path.stat().st_size for path in folder.model.rglob('*') if path.is_file()) / 1e6:.1f} MB")
        for jobs in [2] if options.tiny else options.jobs:
            measure(home, folder.model, images, jobs)


if __name__ == "__main__":
    main()

"""Hundreds of trainings as one array of a real Slurm on this computer, three of them failing: what following costs.

In the place of a training, which is measured elsewhere, each element only leaves the files of one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from SemiSupervisedSegLib.engine.worker import compare_job
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison
from SemiSupervisedSegLib.jobs.events import WarningRaised
from SemiSupervisedSegLib.jobs.machines import Machine
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest
from SemiSupervisedSegLib.phantom.generate import generate_study

from ...jobs.remote.slurm_server import PROGRAMS, Slurm
from ..machine import describe_machine
from .stand_in import FAILING

_COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")
_SECONDS_BETWEEN_LOOKS = 5.0
# Every worker on a node runs this in the place of its own program.
_INSTEAD = """
import os, sys
if "SLURM_JOB_ID" in os.environ and "worker" in sys.orig_argv:
    from Testing.benchmarks.scaling.stand_in import work
    os._exit(work(sys.orig_argv[sys.orig_argv.index("--job") + 1]))
"""


def make_comparison(home: Path, seeds: int, counts: tuple[int, ...], at_once: int) -> Comparison:
    """Make a comparison of two methods in two folds on a cluster."""
    study = generate_study(home / "study", labeled=11, unlabeled=1, external=0, validation=1, size=(32, 32, 4))
    methods = ("supervised", "mean_teacher")
    spec = make_comparison_spec(study, methods, "quick", {}, folds=2, seeds=range(seeds), label_counts=counts)
    return new_comparison(study, replace(spec, at_once=at_once, machine="cluster"))


def prepare(home: Path, failing: list[str]) -> Path:
    """Let workers leave files in place of training, count the commands of Slurm, and return the file that does."""
    calls, programs, first = home / "calls", home / "bin", home / "first"
    for place in (programs, first):
        place.mkdir()
    (first / "sitecustomize.py").write_text(_INSTEAD)
    for name in _COMMANDS:
        script = programs / name
        script.write_text(f'#!/bin/sh\necho {name} >>{calls}\nexec {shutil.which(name)} "$@"\n')
        script.chmod(0o755)
    root = Path(__file__).resolve().parents[3]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(first), str(root), os.environ.get("PYTHONPATH")]))
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    os.environ[FAILING] = ",".join(failing)
    return calls


def measure(home: Path, comparison: Comparison, failing: list[str]) -> None:
    """Print what a comparison takes."""
    spec, trainings = comparison.request(), comparison.trainings()
    machine = Machine("cluster", "", str(home / "there"), SlurmRequest(10))
    calls = prepare(home, failing)
    files, is_over = [0], threading.Event()
    counter = threading.Thread(target=_count_files, args=(home / "there", files, is_over))
    counter.start()
    began, before = time.perf_counter(), _processor_seconds()
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        code = compare_job.main(comparison.path, SshExecutor(machine, limit=spec.at_once))
    seconds, processor = time.perf_counter() - began, _processor_seconds() - before
    is_over.set()
    counter.join()
    finished = sum(training.folder.is_finished() for training in trainings)
    warnings = [event for event in comparison.events()[0] if isinstance(event, WarningRaised)]
    print(f"{len(trainings)} trainings, {spec.at_once} at a time, in {seconds:.0f} s: {finished} finished, ", end="")
    print(f"{len(trainings) - finished} failed twice, exit code {code}, {len(warnings)} sentences")
    said = Counter(calls.read_text().split())
    print("commands of Slurm: " + ", ".join(f"{said[name]} {name}" for name in _COMMANDS))
    print(f"followers: {processor:.0f} s of a core, {processor / len(trainings):.2f} s for each training")
    here = [path for path in comparison.path.rglob("*") if path.is_file()]
    print(f"files: {files[0]} on the cluster at most, {len(here)} here")


def _processor_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _count_files(place: Path, most: list[int], is_over: threading.Event) -> None:
    while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
        most[0] = max(most[0], sum(len(names) for _, _, names in os.walk(place)))


def main() -> None:
    """Print the costs of following an array."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="8 trainings instead of 500")
    parser.add_argument("--seeds", type=int, default=25, help="number of seeds, for 20 trainings each (25)")
    parser.add_argument("--jobs", type=int, default=8, help="trainings at a time (8)")
    options = parser.parse_args()
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        parser.error(f"not installed: {', '.join(missing)}; apt-get install slurm-wlm munge")
    print(describe_machine())
    size = (2, ()) if options.tiny else (options.seeds, (1, 2, 3, 4, 5))
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        comparison = make_comparison(home, *size, options.jobs)
        names = [training.folder.name for training in comparison.trainings()]
        cluster = home / "cluster"
        cluster.mkdir()
        os.environ["SLURM_CONF"] = str(cluster / "slurm.conf")
        slurm = Slurm(cluster, options.jobs)
        try:
            measure(home, comparison, names[1 :: len(names) // 3][:3])
        finally:
            slurm.close()


if __name__ == "__main__":
    main()

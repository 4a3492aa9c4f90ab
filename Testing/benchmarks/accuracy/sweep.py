"""Train every cell of a protocol through the worker and write tables and box plots; can be stopped and gone on with.

    python -m Testing.benchmarks.accuracy.sweep PROTOCOL --data DATA --output FOLDER [--jobs 2] [--quick]

PROTOCOL is a file as `protocol.py` describes it, or the name of one in the folder protocols. Ctrl-C lets the workers
save their checkpoints; the same command continues from there: finished rounds are kept, others resumed, failed ones
tried once more; a stopped public loop begins anew. Seeds, draws and methods may be added to the protocol meanwhile.
Results are in FOLDER/results: scores.csv, trainings.csv, tables.tex, tables.html and box plots.

A cell is one method at one label count, averaged over its draws and seeds; rounds are in FOLDER/labeled-N/rounds, those
of other draws, sites and public loops beside it (`studies.py`). ``--quick`` runs the quick form of the protocol, for a
first impression. ``--best-on-test STEPS`` scores the test cases every STEPS steps, too, and adds the best of these
scores in rows that are named so: that is how some publications choose their model, and it is not comparable with a
score that nothing was chosen on. ``--tiny`` runs a few steps: of a protocol on its data, to see whether they can be
read, or without a protocol on synthetic images.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.spec import check_device
from SemiSupervisedSegLib.study.errors import UserError

from .protocol import quick_form, read_protocol, tiny_form
from .protocol_model import Protocol
from .published import check_published
from .results import RESULTS, write_results
from .rows import collect_sweep
from .studies import make_studies
from .sweep_cells import Cell, Sweep, cells, is_finished, round_of, study_of, write_record
from .sweep_run import SweepRun, Task, worker_slots

EXIT_FAILED, EXIT_USER_ERROR, EXIT_STOPPED = 1, 2, 130
TINY = "phantom_tiny"


def run_sweep(sweep: Sweep, data: Path | None, folder: Path, jobs: int = 1, device: str = "auto") -> int:
    """Do what is left of a sweep, write the results, print the table and return the exit code.

    Raises:
        UserError: the data cannot be used, or another sweep was begun in the folder.
    """
    check_device(device)
    write_record(folder, sweep)
    print(f"{sweep.protocol.name}: preparing studies in {folder}", flush=True)
    studies = make_studies(sweep.protocol, data, folder)
    tasks = _tasks(sweep, studies, device)
    run = SweepRun(tasks, worker_slots(jobs, device, torch.cuda.device_count(), os.environ))
    print(f"{sum(task.done >= 1 for task in tasks)} of {len(tasks)} rounds are done.", flush=True)
    with _stopped_by_signals(run):
        complete = run.run()
    failed = [task for task in tasks if task.problem]
    for task in failed:
        print(f"Failed: {task.cell}: {task.problem}")
    if not complete:
        print("Stopped. The same command continues; the command tables shows what is there.")
        return EXIT_STOPPED
    results = collect_sweep(folder)
    if results.rows:
        print(write_results(results, folder / RESULTS))
        print(f"\nTables and box plots: {folder / RESULTS}")
    return EXIT_FAILED if failed else 0


@contextlib.contextmanager
def _stopped_by_signals(run: SweepRun) -> Iterator[None]:
    former = {number: signal.signal(number, lambda *_: run.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _tasks(sweep: Sweep, studies: dict, device: str) -> list[Task]:
    """The rounds of all cells; rows that differ only in what they are scored on share theirs."""
    tasks: dict[Path, Task] = {}
    for cell in cells(sweep.protocol):
        task = _task(sweep, cell, studies, device)
        tasks.setdefault(task.folder.path, task)
    return list(tasks.values())


def _task(sweep: Sweep, cell: Cell, studies: dict, device: str) -> Task:
    study = study_of(sweep.protocol, cell, studies)
    folder = round_of(sweep, cell, study, device)
    settings = load_catalogue().resolve(cell.row.method, sweep.protocol.preset, folder.spec().settings)
    # A part of the steps may be done; the worker reports it as soon as it continues.
    return Task(cell, folder, settings["steps"], done=1.0 if is_finished(folder) else 0.0)


def _protocol(options: argparse.Namespace) -> Protocol:
    if options.tiny and options.protocol is None:
        return read_protocol(TINY)
    if options.protocol is None or (options.output is None and not options.tiny):
        raise UserError("It is not clear what to run.", "Name a protocol and a folder for --output.")
    protocol = read_protocol(options.protocol)
    if options.tiny:
        return tiny_form(protocol)
    if protocol.published is not None:
        check_published(protocol.published, protocol.methods)
    return quick_form(protocol) if options.quick else protocol


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, run the sweep and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocol", nargs="?", help="a protocol file, or the name of an included one")
    parser.add_argument("--data", type=Path, help="folder of the data set; a phantom needs none")
    parser.add_argument("--output", type=Path, help="folder of the sweep, new or of the same protocol")
    parser.add_argument(
        "--jobs", type=int, default=1, help="workers at once, each on its share of the cores or GPUs (1)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--quick", action="store_true", help="the quick form of the protocol")
    parser.add_argument("--best-on-test", type=int, default=0, metavar="STEPS", help="see above; off when left out")
    parser.add_argument("--tiny", action="store_true", help="a few steps, to see whether it works")
    options = parser.parse_args(arguments)
    if options.jobs < 1 or options.best_on_test < 0:
        parser.error("--jobs is at least 1 and --best-on-test at least 0")
    try:
        sweep = Sweep(_protocol(options), options.best_on_test)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(os.path.abspath(options.output or place))
            return run_sweep(sweep, options.data, folder, options.jobs, options.device)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR


if __name__ == "__main__":
    sys.exit(main())

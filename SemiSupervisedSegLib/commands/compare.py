"""`compare`: methods trained on a study, and scored on annotated cases that were held back."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from ..jobs.catalogue import load_catalogue
from ..jobs.comparison import Comparison, ComparisonSpec, comparisons, describe_size, find_unfinished
from ..jobs.comparison_specs import make_comparison_spec, new_comparison, settings_of
from ..jobs.comparison_table import ComparisonTable, cells, remark, titles
from ..jobs.events import Event, TableUpdated
from ..jobs.job_specs import DEFAULT_PRESET
from ..jobs.machines import find_machine
from ..jobs.remote.executor import SshExecutor
from ..jobs.remote.record import machine_of
from ..study.checks import check_study
from ..study.errors import UserError
from ..study.model import Study
from ..study.store import load_study
from .columns import print_columns
from .parse_settings import parse_settings
from .run_job import run_job
from .show_progress import ProgressPrinter

_SECONDS_BETWEEN_TABLES = 10.0


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    catalogue = load_catalogue()
    parser = subparsers.add_parser(
        "compare",
        help="find out which method suits a study: train several and score them on annotated cases held back",
        description="Train methods and compare them on annotated cases that were held back, by a paired Wilcoxon test "
        "over these cases, not corrected for their number. A training that failed is tried once more; the table names "
        "those that are missing. The same command continues a comparison that was stopped or has failed in parts. "
        "Without --methods, print the last table.",
    )
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    parser.add_argument(
        "--methods", nargs="+", choices=list(catalogue.methods), metavar="METHOD", help="what to compare"
    )
    parser.add_argument(
        "--preset",
        choices=list(catalogue.presets),
        default=DEFAULT_PRESET,
        help=f"how long to train ({DEFAULT_PRESET})",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED", help="train once for each (0)")
    parser.add_argument(
        "--labels", nargs="+", type=int, default=[], metavar="N", help="numbers of annotated cases to learn from (all)"
    )
    parser.add_argument(
        "--reference", choices=list(catalogue.methods), metavar="METHOD", default="", help="what to test against (best)"
    )
    parser.add_argument(
        "--folds", type=int, help="groups of annotated cases, held back in turn (4, or one for each case)"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="settings", help="set one setting; repeatable"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--threads", type=int, help="processor cores for each training (all, shared by --jobs)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trainings at the same time (1)")
    parser.add_argument("--on", metavar="MACHINE", default="", help="train on another machine; see the command machine")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; raises UserError when something is wrong with the study or the options."""
    study = load_study(options.study)
    if not options.methods:
        return _show_last(study, options.reference)
    comparison = _comparison(study, options)
    printer = _TablePrinter(comparison, options.reference)
    try:
        run_job(comparison, printer)
    except KeyboardInterrupt:
        print("Nothing is lost. To continue, run the same command again.")
        raise
    finally:
        printer.print_rest()
    table = comparison.table()
    if table is not None and table.best:
        print(f"To train with the best: {_training_command(options.study, comparison.request(), table.best)}")
    return 0


def _training_command(study: Path, spec: ComparisonSpec, method: str) -> str:
    settings = settings_of(spec, method)
    changes = "".join(f" --set {name}={value}" for name, value in settings.items())
    return f"semi-supervised-seg train {study} --method {method} --preset {spec.preset}{changes}"


def _comparison(study: Study, options: argparse.Namespace) -> Comparison:
    spec = _spec(study, options)
    comparison = find_unfinished(study.folder, spec)
    if options.on:
        # Before anything is made, which would stay behind empty.
        SshExecutor(find_machine(options.on)).check()
    if comparison is not None:
        print(f"Continuing {comparison.name}, with the images that it began with: {describe_size(spec)}")
        _check_place(comparison, options.on)
        comparison.write_request(spec)
        return comparison
    for warning in check_study(study):
        print(f"Warning: {warning}")
    comparison = new_comparison(study, spec)
    print(f"Comparison {comparison.name}: {describe_size(spec)}")
    for number, held_out in enumerate(spec.folds, start=1):
        print(f"  fold {number}: scored on {', '.join(map(study.title_of, held_out))}")
    return comparison


def _spec(study: Study, options: argparse.Namespace) -> ComparisonSpec:
    if options.jobs < 1:
        raise UserError(f"{options.jobs} trainings at the same time are too few.", "Give --jobs 1 or more.")
    if options.reference and options.reference not in options.methods:
        raise UserError(f"The reference {options.reference} is not compared.", "Name it with --methods as well.")
    settings = parse_settings(options.settings) | ({} if options.threads is None else {"threads": options.threads})
    spec = make_comparison_spec(
        study,
        options.methods,
        options.preset,
        settings,
        device=options.device,
        seeds=options.seeds,
        folds=options.folds,
        label_counts=options.labels,
    )
    return replace(spec, at_once=options.jobs, machine=options.on)


def _check_place(comparison: Comparison, machine: str) -> None:
    """Raise UserError when trainings of a comparison are on another machine than the one to continue on."""
    if comparison.is_running():
        raise UserError(f"{comparison.name} is running.", "Wait until it ends, or stop it first.")
    for training in comparison.trainings():
        place = machine_of(training.folder)
        if place not in (None, machine):
            raise UserError(f"Trainings of {comparison.name} are on {place}.", f"Continue it with --on {place}.")


def _show_last(study: Study, reference: str) -> int:
    existing = comparisons(study.folder)
    table = _table(existing[-1], reference) if existing else None
    if table is None:
        raise UserError("The study has no comparison to show.", "Name the methods to compare with --methods.")
    print(f"Comparison {existing[-1].name}" + ("" if existing[-1].is_finished() else ", not finished"))
    _print_table(table)
    return 0


def _table(comparison: Comparison, reference: str) -> ComparisonTable | None:
    if not reference:
        return comparison.table()
    from ..engine.evaluation.comparison_scores import make_table

    return make_table(comparison, reference)


def _print_table(table: ComparisonTable) -> None:
    print_columns([titles(table), *(cells(row, table) for row in table.methods)])
    if text := remark(table):
        print(text)


class _TablePrinter(ProgressPrinter):
    """Prints the table whenever a training has ended, beside the progress of the running one."""

    def __init__(self, comparison: Comparison, reference: str) -> None:
        super().__init__(sys.stdout)
        self._comparison, self._reference = comparison, reference
        self._printed: ComparisonTable | None = None
        self._tabled_at = -_SECONDS_BETWEEN_TABLES

    def show(self, event: Event) -> None:
        """Print an event."""
        super().show(event)
        # A table after each of hundreds of trainings would hide everything else.
        if isinstance(event, TableUpdated) and time.monotonic() - self._tabled_at >= _SECONDS_BETWEEN_TABLES:
            self.print_rest()

    def print_rest(self) -> None:
        """Print the table unless it is as it was printed last."""
        table = _table(self._comparison, self._reference)
        if table is not None and table != self._printed and any(row.finished or row.missing for row in table.methods):
            self._printed, self._tabled_at = table, time.monotonic()
            self.close()
            _print_table(table)

"""`compare`: methods trained one after another on a study, and scored on annotated cases that were held back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..jobs.catalogue import load_catalogue
from ..jobs.comparison import Comparison, ComparisonSpec, comparisons, describe_size, find_unfinished
from ..jobs.comparison_specs import make_comparison_spec, new_comparison, settings_of
from ..jobs.comparison_table import TITLES, ComparisonTable, cells, remark
from ..jobs.events import Event, TableUpdated
from ..jobs.job_specs import DEFAULT_PRESET
from ..study.checks import check_study
from ..study.errors import UserError
from ..study.model import Study
from ..study.store import load_study
from .columns import print_columns
from .parse_settings import parse_settings
from .run_job import run_job
from .show_progress import ProgressPrinter


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    catalogue = load_catalogue()
    parser = subparsers.add_parser(
        "compare",
        help="find out which method suits a study: train several and score them on annotated cases held back",
        description="Train methods one after another and compare them on annotated cases that were held back. The same "
        "command continues a comparison that was stopped. Without --methods, print the last table.",
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
        "--folds", type=int, help="groups of annotated cases, held back in turn (4, or one for each case)"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="settings", help="set one setting; repeatable"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--threads", type=int, help="processor cores to use (all)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; raises UserError when something is wrong with the study or the options."""
    study = load_study(options.study)
    if not options.methods:
        return _show_last(study)
    comparison = _comparison(study, options)
    try:
        run_job(comparison, _TablePrinter(comparison))
    except KeyboardInterrupt:
        print("Nothing is lost. To continue, run the same command again.")
        raise
    table = comparison.table()
    if table is not None and table.best:
        print(f"To train with the best: {_training_command(options.study, comparison.request(), table.best)}")
    return 0


def _training_command(study: Path, spec: ComparisonSpec, method: str) -> str:
    settings = settings_of(spec, method)
    changes = "".join(f" --set {name}={value}" for name, value in settings.items())
    return f"semi-supervised-seg train {study} --method {method} --preset {spec.preset}{changes}"


def _comparison(study: Study, options: argparse.Namespace) -> Comparison:
    settings = parse_settings(options.settings) | ({} if options.threads is None else {"threads": options.threads})
    spec = make_comparison_spec(
        study,
        options.methods,
        options.preset,
        settings,
        device=options.device,
        seeds=options.seeds,
        folds=options.folds,
    )
    comparison = find_unfinished(study.folder, spec)
    if comparison is not None:
        print(f"Continuing {comparison.name}, with the images that it began with: {describe_size(spec)}")
        return comparison
    for warning in check_study(study):
        print(f"Warning: {warning}")
    comparison = new_comparison(study, spec)
    print(f"Comparison {comparison.name}: {describe_size(spec)}")
    for number, held_out in enumerate(spec.folds, start=1):
        print(f"  fold {number}: scored on {', '.join(map(study.title_of, held_out))}")
    return comparison


def _show_last(study: Study) -> int:
    existing = comparisons(study.folder)
    table = existing[-1].table() if existing else None
    if table is None:
        raise UserError("The study has no comparison to show.", "Name the methods to compare with --methods.")
    print(f"Comparison {existing[-1].name}" + ("" if existing[-1].is_finished() else ", not finished"))
    _print_table(table)
    return 0


def _print_table(table: ComparisonTable) -> None:
    print_columns([TITLES, *(cells(row, table.best) for row in table.methods)])
    if text := remark(table):
        print(text)


class _TablePrinter(ProgressPrinter):
    """Prints the table whenever a training has ended, beside the progress of the running one."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(sys.stdout)
        self._comparison = comparison
        self._finished = 0

    def show(self, event: Event) -> None:
        """Print an event."""
        super().show(event)
        if isinstance(event, TableUpdated) and event.finished != self._finished:
            self._finished = event.finished
            table = self._comparison.table()
            if table is not None:
                self.close()
                _print_table(table)

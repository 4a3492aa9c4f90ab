"""`export`: accepted annotations or the predictions of a round, in the format another program wants."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..jobs.results import not_predicted, prediction_sources
from ..jobs.rounds import find_round
from ..study.errors import UserError
from ..study.exporting import (
    FORMATS,
    SEGMENTATION,
    annotation_sources,
    chosen_sources,
    describe_export,
    export_cases,
    with_terminology,
)
from ..study.store import load_study
from .failures import report_failures


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("export", help="export annotations or predictions as files of another format")
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    parser.add_argument("--round", help="export the final predictions of this round, instead of the annotations")
    parser.add_argument("--case", metavar="ID", nargs="+", default=[], help="export these cases only")
    parser.add_argument("--format", choices=FORMATS, default=SEGMENTATION, help=f"of the files ({SEGMENTATION})")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where the files go")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export segmentations and list failures; raises UserError for an unknown case or an existing file."""
    study = load_study(options.study)
    missing: list[UserError] = []
    if options.round:
        folder = find_round(study.folder, options.round)
        sources = with_terminology(prediction_sources(folder), study.structures)
        predicted = {source.case_id for source in sources}
        if not options.case:
            missing = [not_predicted(folder, case.id) for case in folder.spec().cases if case.id not in predicted]
    else:
        sources = annotation_sources(study)
    results = [*export_cases(chosen_sources(sources, options.case), options.output, options.format), *missing]
    failures = [result for result in results if isinstance(result, UserError)]
    print(describe_export(results, options.output))
    return report_failures(failures, len(results), "exported")

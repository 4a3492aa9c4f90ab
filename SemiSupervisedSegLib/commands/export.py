"""`export`: accepted annotations or the predictions of a round, in the format another program wants."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..jobs.rounds import find_round
from ..study.exporting import (
    FORMATS,
    SEGMENTATION,
    Source,
    annotation_sources,
    chosen_sources,
    export_sources,
    prediction_sources,
)
from ..study.model import Study
from ..study.store import load_study


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
    """Export; raises UserError when a case is not there or a file would be overwritten."""
    study = load_study(options.study)
    sources = _predictions(study, options.round) if options.round else annotation_sources(study)
    written = export_sources(chosen_sources(sources, options.case), options.output, options.format)
    print(f"Exported {len(written)} case{'s' if len(written) > 1 else ''} to {options.output}")
    return 0


def _predictions(study: Study, round_name: str) -> list[Source]:
    folder = find_round(study.folder, round_name)
    return prediction_sources(folder.predictions, ((case.id, Path(case.image)) for case in folder.spec().cases))

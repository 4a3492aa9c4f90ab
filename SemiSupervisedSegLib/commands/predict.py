"""`predict`: apply a trained model to new images."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..jobs.folder import JobFolder
from ..jobs.job_specs import make_prediction_spec
from ..study.errors import UserError
from .run_job import run_job


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("predict", help="segment new images with a trained model")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="image file, or folder of a DICOM series")
    parser.add_argument("--model", required=True, type=Path, help="the folder model of a round")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="new folder for the results")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Segment the images; raises UserError when one cannot be read or the model is none."""
    folder = JobFolder(options.output)
    if folder.exists():
        raise UserError(f"There are results in {options.output} already.", "Choose a new folder.")
    spec = make_prediction_spec(options.output.name, options.images, options.model, device=options.device)
    folder.write_spec(spec)
    run_job(folder)
    print(f"Done. Segmentations: {folder.predictions}")
    return 0

"""`demo`: the whole loop on a synthetic study, with and without the unlabeled images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..jobs.folder import JobFolder
from ..jobs.job_specs import make_training_spec
from ..jobs.rounds import next_round
from ..phantom.generate import generate_study
from ..study.errors import UserError
from ..study.layout import StudyFolder
from ..study.model import Study
from ..study.store import load_study
from .run_job import run_job

DEFAULT_FOLDER = Path("demo")
STEPS = 400
METHODS = ("supervised", "self_training")
"""Both learn from the same annotations in the same number of steps."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("demo", help="train on a synthetic study and compare with annotations alone")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help=f"where the study goes ({DEFAULT_FOLDER})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"training steps of each method ({STEPS})")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything random (0)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the study, or take the one of an earlier demo, train both methods and print how they compare."""
    study = _study(options.folder)
    results = {}
    for number, method in enumerate(METHODS, start=1):
        spec = make_training_spec(
            study, method, "quick", _settings(options.steps), device=options.device, seed=options.seed
        )
        folder = next_round(study.folder, method)
        folder.write_spec(spec)
        print(f"\nTraining {number} of {len(METHODS)}: {method}, round {folder.name}", flush=True)
        results[method] = (folder, run_job(folder))
    _print_comparison(results)
    return 0


def _study(folder: Path) -> Study:
    if StudyFolder(folder).exists():
        return load_study(folder)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"The folder {folder} is not empty.", "Choose another one with --folder.")
    print(f"Making up scans of three sites in {folder} ...", flush=True)
    return generate_study(folder, name="Demo", labeled=2)


def _settings(steps: int) -> dict[str, Any]:
    # The phantom is small, so it is trained at its full resolution.
    return {"steps": steps, "in_plane_scale": 1.0}


def _print_comparison(results: dict[str, tuple[JobFolder, dict[str, Any]]]) -> None:
    (_, supervised), (folder, semi_supervised) = results.values()
    before, after = supervised["mean_dice"]["final"], semi_supervised["mean_dice"]["final"]
    print("\nMean Dice of the validation cases, same annotations and steps:")
    print(f"  annotations alone (Supervised)                             {before:.3f}")
    print(f"  with local and external scans (Confident self-training)    {after:.3f}   ({after - before:+.3f})")
    print(f"Report: {folder.report}")
